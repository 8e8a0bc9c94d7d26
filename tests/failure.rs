//! What a request is answered that can't be given a token.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::time::Duration;

use fiskil_auth::{
    BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, ProvideCredentials, ResponseBody,
    Token, error_for_auth,
};
use http::{Request, Response, StatusCode};
use http_body::Body;
use support::{Api, Tokens, credentials, layer};
use tower::{Layer, ServiceExt};

async fn send(layer: &FiskilAuthLayer, content_type: &str) -> Response<ResponseBody<()>> {
    let request = Request::get("/")
        .header("content-type", content_type)
        .body(())
        .unwrap();
    layer.layer(Api::default()).oneshot(request).await.unwrap()
}

fn failing_with(text: &'static str) -> FiskilAuthLayer {
    let tokens = Tokens::new();
    tokens.fail(text);
    layer(&tokens)
}

fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|v| v.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_503_with_retry_after_and_an_empty_body() {
    let layer = failing_with("down");
    let response = send(&layer, "application/json").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // 1 to 1.25 s, rounded up.
    assert_eq!(header(&response, "retry-after"), Some("2"));
    let error = response.extensions().get::<Error>().unwrap();
    assert!(error.is_transient());
    let left = error.retry_after().unwrap();
    assert!((1.0..=1.25).contains(&left.as_secs_f64()), "{left:?}");
    // What is left, not what was left.
    tokio::time::advance(Duration::from_millis(500)).await;
    assert!(error.retry_after().unwrap() <= Duration::from_millis(750));
    tokio::time::advance(Duration::from_millis(750)).await;
    assert_eq!(error.retry_after(), None);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_502() {
    let layer = FiskilAuthLayer::with_token_service(Credentials::new("id", ""), Tokens::new());
    let response = send(&layer, "application/json").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(header(&response, "retry-after"), None);
    let error = response.extensions().get::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(!error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_504() {
    let tokens = Tokens::new();
    tokens.hang();
    let response = send(&layer(&tokens), "application/json").await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn grpc_requests_get_grpc_statuses() {
    let tokens = Tokens::new();
    tokens.hang();
    let permanent = FiskilAuthLayer::with_token_service(Credentials::new("", ""), Tokens::new());
    for (layer, status) in [
        (failing_with("down"), "14"),
        (layer(&tokens), "14"),
        (permanent, "16"),
    ] {
        let response = send(&layer, "application/grpc+proto").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), Some("application/grpc"));
        assert_eq!(header(&response, "grpc-status"), Some(status));
        let error = response.extensions().get::<Error>().unwrap().to_string();
        assert_eq!(header(&response, "grpc-message"), Some(error.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn error_for_auth_makes_the_failure_an_error_again() {
    let service = failing_with("down").layer(Api::default());
    let result = service
        .map_result(error_for_auth)
        .oneshot(Request::new(()))
        .await;
    let error = result.unwrap_err();
    let error: &Error = error.downcast_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::TokenService);
    assert!(error.is_transient() && error.retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn error_for_auth_lets_everything_else_pass() {
    let api = Api::default();
    for status in [200, 401, 502, 503, 504] {
        api.answer(StatusCode::from_u16(status).unwrap());
        let service = layer(&Tokens::new()).layer(api.clone());
        let response = service
            .map_result(error_for_auth)
            .oneshot(Request::new(()))
            .await
            .unwrap();
        assert_eq!(response.status(), status);
    }
    let inner: Result<Response<()>, _> = Err("the inner service's own");
    let error = error_for_auth(inner).unwrap_err();
    assert_eq!(error.to_string(), "the inner service's own");
}

#[tokio::test(start_paused = true)]
async fn the_failure_response_ends_at_once() {
    let layer = failing_with("down");
    let response = layer
        .layer(tower::service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        }))
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_verdict_of_an_error_of_ours_stands_however_deep_it_is_wrapped() {
    #[derive(Debug)]
    struct Wrapped(Error);
    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let ours = || Token::new("", Duration::from_secs(1)).unwrap_err();
    for deep in [false, true] {
        let tokens = Tokens::new();
        tokens.answer(move |_| async move {
            let error: BoxError = if deep {
                Wrapped(ours()).into()
            } else {
                ours().into()
            };
            Err(error)
        });
        let response = send(&layer(&tokens), "application/json").await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let error = response.extensions().get::<Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidToken);
    }
}

#[tokio::test(start_paused = true)]
async fn the_verdict_is_found_within_io_errors_too() {
    let provider = || async {
        let ours = Error::other("no such secret").permanent();
        Err::<Credentials, _>(std::io::Error::other(ours))
    };
    assert_eq!(
        with_provider(provider).await.status(),
        StatusCode::BAD_GATEWAY
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_ones_own_may_say_when_to_come_back() {
    let provider = || async {
        let minute = Duration::from_secs(60);
        Err::<Credentials, _>(Error::other("the vault is sealed").with_retry_after(minute))
    };
    let response = with_provider(provider).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, "retry-after"), Some("60"));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_its_own_source_is_no_trap() {
    #[derive(Debug)]
    struct Loop;
    impl std::fmt::Display for Loop {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("again")
        }
    }
    impl std::error::Error for Loop {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(self)
        }
    }
    let response = with_provider(|| async { Err::<Credentials, _>(Loop) }).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_quotes_the_secret_loses_its_source() {
    let layer = failing_with("the server said: bad secret client-secret!");
    let response = send(&layer, "application/json").await;
    let error = response.extensions().get::<Error>().unwrap();
    assert!(std::error::Error::source(error).is_none());
    assert!(!format!("{error:?}").contains("client-secret"));
    // Others keep it.
    let response = send(&failing_with("no route to host"), "application/json").await;
    let error = response.extensions().get::<Error>().unwrap();
    assert_eq!(
        std::error::Error::source(error).unwrap().to_string(),
        "no route to host"
    );
}

async fn with_provider(provider: impl ProvideCredentials) -> Response<ResponseBody<()>> {
    let layer = FiskilAuthLayer::with_token_service(provider, Tokens::new());
    send(&layer, "application/json").await
}

#[tokio::test(start_paused = true)]
async fn a_failing_provider_is_transient_unless_it_says_otherwise() {
    let response = with_provider(|| async { Err::<Credentials, _>("vault is sealed") }).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let error = response.extensions().get::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let response = with_provider(|| async {
        Err::<Credentials, _>(Token::new("", Duration::ZERO).unwrap_err())
    })
    .await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_asked_before_every_exchange() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let asked = Arc::new(AtomicU32::new(0));
    let provider = {
        let asked = asked.clone();
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, BoxError>(credentials()) }
        }
    };
    let layer = FiskilAuthLayer::with_token_service(provider, Tokens::new());
    let cache = layer.tokens();
    for n in 1..=3 {
        cache.refresh().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), n);
    }
}
