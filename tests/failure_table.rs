//! The table of the page "When it fails", row by row.
//!
//! Breaks tried, each caught: a deadline that is a 503, or gRPC's 16;
//! `is_transient` not looked at; a 204 that is transient.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::{
    BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, Token, TokenClient, TokenRequest,
    TokenRequestBody,
};
use http::{Request, Response};
use http_body_util::Full;
use support::{Api, Tokens, credentials, layer};
use tower::{Layer, ServiceExt, service_fn};

const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";

/// What requests through `layer` get.
async fn assert_row(layer: FiskilAuthLayer, kind: ErrorKind, http: u16, grpc: &str) {
    let send = async |content_type: &str| {
        let request = Request::get("/").header("content-type", content_type);
        let service = layer.layer(Api::default());
        service.oneshot(request.body(()).unwrap()).await.unwrap()
    };
    let response = send("application/json").await;
    let error: &Error = response.extensions().get().unwrap();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(response.status(), http, "{error}");
    assert_eq!(error.is_transient(), grpc == UNAVAILABLE, "{error}");
    let retry_after = response.headers().contains_key("retry-after");
    assert_eq!(retry_after, http == 503, "{error}");

    let response = send("application/grpc").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("grpc-status").unwrap(), grpc);
    assert!(response.headers().contains_key("grpc-message"));
}

/// A layer whose token endpoint answers this.
fn endpoint(status: u16, body: &'static str) -> FiskilAuthLayer {
    let http = service_fn(move |_: Request<TokenRequestBody>| async move {
        let response = Response::builder().status(status);
        Ok::<_, Infallible>(response.body(Full::<Bytes>::from(body)).unwrap())
    });
    FiskilAuthLayer::with_token_service(credentials(), TokenClient::new(http))
}

fn service<F, E>(answer: fn() -> F) -> FiskilAuthLayer
where
    F: Future<Output = Result<Token, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let service = service_fn(move |_: TokenRequest| answer());
    FiskilAuthLayer::with_token_service(credentials(), service)
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_slow_or_odd() {
    use ErrorKind::*;
    assert_row(endpoint(500, ""), Unavailable, 503, UNAVAILABLE).await;
    assert_row(endpoint(429, ""), Unavailable, 503, UNAVAILABLE).await;
    assert_row(endpoint(200, "<html>"), InvalidAnswer, 503, UNAVAILABLE).await;
    assert_row(endpoint(204, ""), InvalidAnswer, 502, UNAUTHENTICATED).await;
    let tokens = Tokens::new();
    tokens.hang();
    assert_row(layer(&tokens), Timeout, 504, UNAVAILABLE).await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses() {
    use ErrorKind::*;
    assert_row(endpoint(401, ""), Refused, 502, UNAUTHENTICATED).await;
    assert_row(endpoint(302, ""), Refused, 502, UNAUTHENTICATED).await;
    let temporary = r#"{"temporary": true}"#;
    assert_row(endpoint(403, temporary), Refused, 503, UNAVAILABLE).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_malformed_or_not_there() {
    use ErrorKind::Credentials as Kind;
    let empty = Credentials::new("id", "");
    let layer = FiskilAuthLayer::with_token_service(empty, Tokens::new());
    assert_row(layer, Kind, 502, UNAUTHENTICATED).await;
    let sealed = || async { Err::<Credentials, _>("the vault is sealed") };
    let layer = FiskilAuthLayer::with_token_service(sealed, Tokens::new());
    assert_row(layer, Kind, 503, UNAVAILABLE).await;
}

#[tokio::test(start_paused = true)]
async fn token_services_of_ones_own() {
    use ErrorKind::*;
    let failing = service(|| async { Err("no route to host") });
    assert_row(failing, TokenService, 503, UNAVAILABLE).await;
    let expired = service(|| async { Token::new("t", Duration::ZERO) });
    assert_row(expired, InvalidToken, 503, UNAVAILABLE).await;
    // An error of ours decides by itself.
    let unusable = service(|| async { Token::new("", Duration::ZERO) });
    assert_row(unusable, InvalidToken, 502, UNAUTHENTICATED).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_would_carry_the_token_over_plain_http() {
    let service = layer(&Tokens::new()).layer(Api::default());
    for (content_type, status) in [("application/json", 502), ("application/grpc", 200)] {
        let request = Request::get("http://api.fiskil.com/").header("content-type", content_type);
        let response = service.clone().oneshot(request.body(()).unwrap()).await;
        let response = response.unwrap();
        assert_eq!(response.status(), status);
        let error: &Error = response.extensions().get().unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
