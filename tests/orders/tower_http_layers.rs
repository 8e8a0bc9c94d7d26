//! tower-http's layers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::Error;
use http::{Request, Response, StatusCode, header};
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::decompression::DecompressionLayer;
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::support::{Tokens, carried, layer, paused_runtime, text, watch};

type Text = Full<Bytes>;

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

/// An API that redirects to another host, which answers with the token it got.
async fn elsewhere(request: Request<Empty<Bytes>>) -> Result<Response<Text>, Infallible> {
    if request.uri().host() == Some("elsewhere.example") {
        let carried = carried(request.headers());
        return Ok(Response::new(Text::from(carried)));
    }
    assert_ne!(carried(request.headers()), "nothing");
    let redirect = Response::builder()
        .status(StatusCode::FOUND)
        .header(header::LOCATION, "https://elsewhere.example/");
    Ok(redirect.body(Text::default()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_another_origin_carries_no_token_above_or_beneath() {
    let tokens = Tokens::new();
    let fiskil = || get("https://api.fiskil.com/v1/end-users");
    let service = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(layer(&tokens).pass_other_origins())
        .service(service_fn(elsewhere));
    assert_eq!(
        text(service.oneshot(fiskil()).await.unwrap()).await,
        "nothing"
    );
    let service = ServiceBuilder::new()
        .layer(layer(&tokens))
        .layer(FollowRedirectLayer::new())
        .service(service_fn(elsewhere));
    assert_eq!(
        text(service.oneshot(fiskil()).await.unwrap()).await,
        "nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_401_from_behind_a_redirect_rejects_the_token_only_if_the_redirect_is_beneath() {
    async fn denied(request: Request<Empty<Bytes>>) -> Result<Response<Text>, Infallible> {
        let mut response = elsewhere(request).await?;
        if response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok(response)
    }
    for (beneath, rejections) in [(false, 0), (true, 1)] {
        let tokens = Tokens::new();
        let layer = layer(&tokens).pass_other_origins();
        let request = get("https://api.fiskil.com/");
        let status = if beneath {
            let service = ServiceBuilder::new()
                .layer(layer.clone())
                .layer(FollowRedirectLayer::new())
                .service(service_fn(denied));
            service.oneshot(request).await.unwrap().status()
        } else {
            let service = ServiceBuilder::new()
                .layer(FollowRedirectLayer::new())
                .layer(layer.clone())
                .service(service_fn(denied));
            service.oneshot(request).await.unwrap().status()
        };
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(layer.tokens().status().rejections, rejections);
    }
}

/// `hello`, compressed with gzip.
const HELLO: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07,
    0x00, 0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00,
];

#[tokio::test(start_paused = true)]
async fn decompression_works_above_and_beneath_and_passes_failures_on() {
    async fn compressed(_: Request<Empty<Bytes>>) -> Result<Response<Text>, Infallible> {
        let response = Response::builder().header(header::CONTENT_ENCODING, "gzip");
        Ok(response.body(Text::from(HELLO)).unwrap())
    }
    let tokens = Tokens::new();
    let above = ServiceBuilder::new()
        .layer(DecompressionLayer::new())
        .layer(layer(&tokens))
        .service(service_fn(compressed));
    assert_eq!(
        text(above.clone().oneshot(get("/")).await.unwrap()).await,
        "hello"
    );
    let beneath = ServiceBuilder::new()
        .layer(layer(&tokens))
        .layer(DecompressionLayer::new())
        .service(service_fn(compressed));
    assert_eq!(
        text(beneath.oneshot(get("/")).await.unwrap()).await,
        "hello"
    );

    tokens.fail("down");
    let failing = ServiceBuilder::new()
        .layer(DecompressionLayer::new())
        .layer(layer(&tokens))
        .service(service_fn(compressed));
    let response = failing.oneshot(get("/")).await.unwrap();
    assert!(response.extensions().get::<Error>().is_some());
    assert_eq!(text(response).await, "");
}

/// The log at all levels while `run` runs.
fn logged(run: impl Future<Output = ()>) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let guard = watch(subscriber);
    paused_runtime().block_on(run);
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

async fn ok(_: Request<Empty<Bytes>>) -> Result<Response<Text>, Infallible> {
    Ok(Response::default())
}

fn verbose() -> TraceLayer<
    tower_http::classify::SharedClassifier<tower_http::classify::ServerErrorsAsFailures>,
    tower_http::trace::DefaultMakeSpan,
> {
    TraceLayer::new_for_http()
        .make_span_with(tower_http::trace::DefaultMakeSpan::new().include_headers(true))
}

#[test]
fn trace_above_the_layer_sees_no_header_and_beneath_it_sees_a_redacted_one() {
    let log = logged(async {
        let service = ServiceBuilder::new()
            .layer(verbose())
            .layer(layer(&Tokens::new()))
            .service(service_fn(ok));
        service.oneshot(get("/")).await.unwrap();
    });
    assert!(log.contains("finished processing request"), "{log}");
    assert!(!log.contains("authorization"), "{log}");

    let log = logged(async {
        let service = ServiceBuilder::new()
            .layer(layer(&Tokens::new()))
            .layer(verbose())
            .service(service_fn(ok));
        service.oneshot(get("/")).await.unwrap();
    });
    assert!(log.contains(r#""authorization": Sensitive"#), "{log}");
    assert!(!log.contains("t1"), "{log}");
}

#[test]
fn trace_above_the_layer_logs_a_missing_token_as_a_failure() {
    let log = logged(async {
        let tokens = Tokens::new();
        tokens.fail("down");
        let service = ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(layer(&tokens))
            .service(service_fn(ok));
        service.oneshot(get("/")).await.unwrap();
    });
    assert!(log.contains("response failed"), "{log}");
    assert!(log.contains("503 Service Unavailable"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn the_token_is_sensitive_with_set_sensitive_headers_above_beneath_or_not_at_all() {
    async fn sensitive(request: Request<Empty<Bytes>>) -> Result<Response<Text>, Infallible> {
        let value = request.headers().get(header::AUTHORIZATION).unwrap();
        assert!(value.is_sensitive());
        Ok(Response::default())
    }
    let tokens = Tokens::new();
    let hide = || SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]);
    let auth = || layer(&tokens);
    let api = service_fn(sensitive);
    let above = ServiceBuilder::new().layer(hide()).layer(auth());
    above.service(api).oneshot(get("/")).await.unwrap();
    let beneath = ServiceBuilder::new().layer(auth()).layer(hide());
    beneath.service(api).oneshot(get("/")).await.unwrap();
    auth().layer(api).oneshot(get("/")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tower_https_timeout_above_covers_the_wait_for_the_token_and_beneath_it_does_not() {
    let limit =
        || TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(1));
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(3));
    let above = ServiceBuilder::new()
        .layer(limit())
        .layer(layer(&tokens))
        .service(service_fn(ok));
    let status = above.oneshot(get("/")).await.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    let beneath = ServiceBuilder::new()
        .layer(layer(&tokens))
        .layer(limit())
        .service(service_fn(ok));
    let status = beneath.oneshot(get("/")).await.unwrap().status();
    assert_eq!(status, StatusCode::OK);
}
