//! The table of the page "When it fails", row by row.
//!
//! Guarantees 3 (waits are bounded) and 9 (every answer has an outcome), as the
//! caller sees them.
//!
//! Mutations caught: a deadline that is a 503, or gRPC's 16; `is_transient` not
//! looked at; a 204 that is transient.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, ErrorKind, FiskilAuthLayer, Token, TokenRequest};
use http::Request;
use support::endpoint::{answering, response};
use support::{Api, Tokens, credentials, error, layer};
use tower::{Layer, ServiceExt, service_fn};

const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";

/// Checks what HTTP and gRPC requests through `layer` are answered.
async fn assert_row(layer: FiskilAuthLayer, kind: ErrorKind, http: u16, grpc: &str) {
    let send = async |content_type: &str| {
        let request = Request::get("/").header("content-type", content_type);
        let service = layer.layer(Api::default());
        service.oneshot(request.body(()).unwrap()).await.unwrap()
    };
    let response = send("application/json").await;
    let failure = error(&response);
    assert_eq!(failure.kind(), kind, "{failure}");
    assert_eq!(response.status(), http, "{failure}");
    assert_eq!(failure.is_transient(), grpc == UNAVAILABLE, "{failure}");
    let retry_after = response.headers().contains_key("retry-after");
    assert_eq!(retry_after, http == 503, "{failure}");

    for content_type in ["application/grpc", "application/grpc+proto"] {
        let response = send(content_type).await;
        let header = |name| response.headers().get(name).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header("content-type"), "application/grpc");
        assert_eq!(header("grpc-status"), grpc);
        assert_eq!(header("grpc-message"), &error(&response).to_string());
    }
}

/// A layer whose token endpoint answers this.
fn endpoint(status: u16, body: &'static str) -> FiskilAuthLayer {
    let client = answering([response(status, body)]);
    FiskilAuthLayer::with_token_service(credentials(), client)
}

/// A layer over a token service that returns this.
fn service<F, E>(answer: fn() -> F) -> FiskilAuthLayer
where
    F: Future<Output = Result<Token, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let service = service_fn(move |_: TokenRequest| answer());
    FiskilAuthLayer::with_token_service(credentials(), service)
}

#[tokio::test(start_paused = true)]
async fn the_rows_for_an_endpoint_that_is_down_slow_or_odd_hold() {
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
async fn the_rows_for_an_endpoint_that_refuses_hold() {
    use ErrorKind::*;
    assert_row(endpoint(401, ""), Refused, 502, UNAUTHENTICATED).await;
    assert_row(endpoint(302, ""), Refused, 502, UNAUTHENTICATED).await;
    let temporary = r#"{"temporary": true}"#;
    assert_row(endpoint(403, temporary), Refused, 503, UNAVAILABLE).await;
}

#[tokio::test(start_paused = true)]
async fn the_rows_for_malformed_or_missing_credentials_hold() {
    use ErrorKind::Credentials as Kind;
    let empty = Credentials::new("id", "");
    let layer = FiskilAuthLayer::with_token_service(empty, Tokens::new());
    assert_row(layer, Kind, 502, UNAUTHENTICATED).await;
    let sealed = || async { Err::<Credentials, _>("the vault is sealed") };
    let layer = FiskilAuthLayer::with_token_service(sealed, Tokens::new());
    assert_row(layer, Kind, 503, UNAVAILABLE).await;
    // An error of this crate's decides by itself.
    let unusable = || async { Err::<Credentials, _>(Token::new("", Duration::ZERO).unwrap_err()) };
    let layer = FiskilAuthLayer::with_token_service(unusable, Tokens::new());
    assert_row(layer, ErrorKind::InvalidToken, 502, UNAUTHENTICATED).await;
}

#[tokio::test(start_paused = true)]
async fn the_rows_for_custom_token_services_hold() {
    use ErrorKind::*;
    let failing = service(|| async { Err("no route to host") });
    assert_row(failing, TokenService, 503, UNAVAILABLE).await;
    let expired = service(|| async { Token::new("t", Duration::ZERO) });
    assert_row(expired, InvalidToken, 503, UNAVAILABLE).await;
    // An error of this crate's decides by itself.
    let unusable = service(|| async { Token::new("", Duration::ZERO) });
    assert_row(unusable, InvalidToken, 502, UNAUTHENTICATED).await;
}

#[tokio::test(start_paused = true)]
async fn the_row_for_a_token_over_plain_http_holds() {
    let service = layer(&Tokens::new()).layer(Api::default());
    for (content_type, status) in [("application/json", 502), ("application/grpc", 200)] {
        let request = Request::get("http://api.fiskil.com/").header("content-type", content_type);
        let response = service.clone().oneshot(request.body(()).unwrap()).await;
        let response = response.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(error(&response).kind(), ErrorKind::Configuration);
    }
}
