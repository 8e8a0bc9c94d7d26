//! README's line, with nothing added, on every stack it is promised for; on
//! tonic's in `grpc.rs`. No guarantee, but the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use fiskil_auth::{Credentials, Error, FiskilAuth, FiskilAuthLayer, Token, TokenRequest};
use http::{HeaderMap, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Empty, Full};
use support::{RetryServerErrors, text};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn credentials() -> Credentials {
    Credentials::new("id", "secret")
}

/// The layer as users write it, but for where its tokens come from.
fn layer() -> FiskilAuthLayer {
    FiskilAuthLayer::with_token_service(
        credentials(),
        service_fn(|_: TokenRequest| async { Token::new("stack-token", Duration::from_secs(900)) }),
    )
}

/// The whole `Authorization` header.
fn authorization(headers: &HeaderMap) -> String {
    let value = headers.get(AUTHORIZATION).map(|v| v.to_str().unwrap());
    value.unwrap_or("nothing").to_owned()
}

/// Answers with the `Authorization` header that it got.
async fn echo<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(authorization(request.headers()))))
}

#[tokio::test]
async fn the_default_layer_goes_on_an_axum_router() {
    let router: Router = Router::new()
        .route("/", get(|| async {}))
        .layer(FiskilAuthLayer::new(credentials()));
    drop(router);
}

#[tokio::test]
async fn an_axum_router_passes_requests_on_with_the_token() {
    let router = Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { authorization(&headers) }),
        )
        .layer(layer());
    for _ in 0..2 {
        let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(text(response).await, "Bearer stack-token");
    }
}

#[test]
fn boxed_clone_sync_services_stay_send_and_sync() {
    fn assert<T: Send + Sync + Clone + 'static>(_: &T) {}
    let service = layer().layer(service_fn(echo::<Empty<Bytes>>));
    assert(&service);
    assert(&layer());
    assert(&layer().tokens());
    let boxed = tower::util::BoxCloneSyncService::new(service);
    assert(&boxed);
}

#[test]
fn futures_are_send_where_their_parts_are() {
    fn assert<T: Send>(_: &T) {}
    let mut service = layer().layer(service_fn(echo::<Empty<Bytes>>));
    assert(&service.call(Request::new(Empty::new())));
    assert(&layer().tokens().token());
}

#[tokio::test]
async fn a_stack_of_buffer_limit_timeout_and_box_carries_the_token() {
    let inner = ServiceBuilder::new()
        .buffer(4)
        .concurrency_limit(1)
        .timeout(Duration::from_secs(5))
        .service(service_fn(echo::<Empty<Bytes>>));
    let service = ServiceBuilder::new()
        .boxed_clone_sync()
        .layer(layer())
        .service(inner);
    let requests = (0..20).map(|_| {
        let service = service.clone();
        tokio::spawn(async move {
            text(service.oneshot(Request::new(Empty::new())).await.unwrap()).await
        })
    });
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.unwrap(), "Bearer stack-token");
    }
}

#[tokio::test]
async fn buffer_limit_and_timeout_work_above_the_layer() {
    let service = ServiceBuilder::new()
        .buffer(4)
        .concurrency_limit(1)
        .timeout(Duration::from_secs(5))
        .layer(layer())
        .service(service_fn(echo::<Empty<Bytes>>));
    let response = service.oneshot(Request::new(Empty::new())).await.unwrap();
    assert_eq!(text(response).await, "Bearer stack-token");
}

#[tokio::test]
async fn under_tower_retry_every_attempt_carries_the_token() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let attempts: &'static AtomicU32 = Box::leak(Box::default());
    let api = service_fn(move |request: Request<Full<Bytes>>| async move {
        let mut response = echo(request).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new()
        .retry(RetryServerErrors(3))
        .layer(layer())
        .service(api);
    let response = service
        .oneshot(Request::new(Full::default()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "Bearer stack-token");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

/// An axum server on loopback that echoes what it got.
async fn serve(router: Router) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn hyper_utils_client_with_body_incoming_carries_the_token() {
    use hyper_util::client::legacy::{Client, connect::HttpConnector};
    use hyper_util::rt::TokioExecutor;

    let address =
        serve(Router::new().route("/", get(|h: HeaderMap| async move { authorization(&h) }))).await;
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let layer = layer().allow_origin(format!("http://{address}")).unwrap();
    let service: FiskilAuth<Client<HttpConnector, Full<Bytes>>> =
        ServiceBuilder::new().layer(layer).service(client);
    let request = Request::get(format!("http://{address}/"))
        .body(Full::default())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(text(response).await, "Bearer stack-token");
}

#[tokio::test]
async fn the_default_layer_goes_around_hyper_utils_client() {
    use hyper_util::client::legacy::{Client, connect::HttpConnector};
    use hyper_util::rt::TokioExecutor;

    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let mut service = ServiceBuilder::new()
        .layer(FiskilAuthLayer::new(credentials()))
        .service(client);
    // Plain HTTP to Fiskil fails before anything is sent to anybody.
    let request = Request::get("http://api.fiskil.com/v1/end-users")
        .body(Full::default())
        .unwrap();
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert!(response.extensions().get::<Error>().is_some());
}

/// Whatever is sent comes back as it comes.
async fn echo_server() -> std::net::SocketAddr {
    use axum::routing::post;
    serve(Router::new().route("/", post(|body: axum::body::Body| async { body }))).await
}

#[tokio::test]
async fn bodies_stream_both_ways_through_hyper_utils_client() {
    use http_body::Frame;
    use http_body_util::StreamBody;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use tokio::sync::mpsc;

    let address = echo_server().await;
    let (send, pieces) = mpsc::channel::<Bytes>(1);
    let pieces = futures_util::stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
    });
    let request = Request::post(format!("http://{address}/"))
        .body(StreamBody::new(Box::pin(pieces)))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let layer = layer().allow_origin(format!("http://{address}")).unwrap();
    let conversation = async {
        let mut answer = layer.layer(client).oneshot(request).await.unwrap();
        // Each piece only after the one before has come back.
        for n in 0..10 {
            let piece = Bytes::from(format!("piece {n}"));
            send.send(piece.clone()).await.unwrap();
            let frame = answer.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
        drop(send);
        assert!(answer.body_mut().frame().await.is_none());
    };
    // A piece that is held back fails the test, instead of hanging it.
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, conversation).await.unwrap();
}
