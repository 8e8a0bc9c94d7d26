//! The exchange as it leaves `TokenClient`: what is sent, and where to.
//!
//! Guarantees 10 (the secret goes to its endpoint only) and 12 (no secret in any
//! text).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use fiskil_auth::{Credentials, Error, ErrorKind, Token, TokenClient, TokenRequest};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use support::endpoint::{answering, exchange, response};
use support::{credentials, printed};
use tower::{Service, ServiceExt, service_fn};

#[tokio::test]
async fn the_request_is_exactly_as_documented() {
    let (http, mut server) = tower_test::mock::pair::<Request<_>, Response<Full<Bytes>>>();
    let mut client = TokenClient::new(http);
    client.ready().await.unwrap();
    let token = tokio::spawn(client.call(TokenRequest::new(Credentials::new("my \"id\"", "ß\\"))));

    let (request, respond) = server.next_request().await.unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://api.fiskil.com/v1/token");
    assert_eq!(request.version(), Version::HTTP_11);
    let json = "application/json; charset=UTF-8";
    let agent = concat!("fiskil-auth/", env!("CARGO_PKG_VERSION"));
    let expected = [
        ("accept", json),
        ("content-type", json),
        ("user-agent", agent),
    ];
    assert_eq!(request.headers().len(), expected.len());
    for (name, value) in expected {
        assert_eq!(request.headers()[name], value);
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"client_id":"my \"id\"","client_secret":"ß\\"}"#);

    respond.send_response(Response::new(Full::from(r#"{"token":"t","expires_in":1}"#)));
    let token = token.await.unwrap().unwrap();
    assert_eq!(token.header_value(), "Bearer t");
}

#[tokio::test]
async fn malformed_credentials_send_nothing() {
    for (id, secret) in [("", "s"), ("i", ""), ("i", "line\n"), ("i\0", "s")] {
        let sent = AtomicUsize::new(0);
        let http = service_fn(|_| {
            sent.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Infallible>(Response::new(String::new())) }
        });
        let request = TokenRequest::new(Credentials::new(id, secret));
        let error = TokenClient::new(http).oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(sent.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn another_endpoint_is_used_unchanged() {
    let uri = "https://proxy.example:8443/fiskil/v1/token";
    let http = service_fn(move |request: Request<_>| async move {
        assert_eq!(request.uri(), uri);
        Ok::<_, Infallible>(Response::new(r#"{"token":"t"}"#.to_owned()))
    });
    let client = TokenClient::new(http).endpoint(uri).unwrap();
    assert!(
        client
            .oneshot(TokenRequest::new(credentials()))
            .await
            .is_ok()
    );
}

#[test]
fn the_secret_goes_to_https_or_loopback_only() {
    for uri in [
        "https://api.fiskil.com/v1/token",
        "https://h:8443/v1/token",
        "https://[2001:db8::1]/v1/token",
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[::1]:8080/v1/token",
    ] {
        assert!(TokenClient::new(()).endpoint(uri).is_ok(), "{uri}");
    }
    for uri in [
        "http://example.com",
        "http://localhost.example.com/v1/token",
        "http://10.0.0.1/v1/token",
        "https://user:pa55w0rd@api.fiskil.com/v1/token",
        "https://h:99999/v1/token",
        "https://h:/v1/token",
        "https://h/v1/token?a=pa55w0rd",
        "https://h/v1/token?",
        "ftp://h/v1/token",
        "api.fiskil.com",
        "/v1/token",
        "*",
        "https://",
        "not a pa55w0rd",
        "",
    ] {
        let error = TokenClient::new(()).endpoint(uri).expect_err(uri);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{uri}");
        assert!(!error.is_transient(), "{uri}");
        assert!(!printed(&error).contains("pa55w0rd"), "{uri}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let response = Response::builder()
            .status(status)
            .header("location", "https://elsewhere.example/v1/token")
            .body(Full::<Bytes>::default());
        // A second request would panic.
        let outcome = exchange(TokenRequest::new(credentials()), response.unwrap()).await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("redirects are not followed"));
    }
}

#[test]
fn debug_shows_the_endpoint() {
    let text = format!("{:?}", TokenClient::new("http"));
    assert!(text.contains("https://api.fiskil.com/v1/token"), "{text}");
}

#[test]
fn a_token_client_is_a_clonable_token_service() {
    fn check<T>(_: T)
    where
        T: Service<TokenRequest, Response = Token, Error = Error, Future: Send>,
        T: Clone + Send + Sync + 'static,
    {
    }
    check(answering([response(200, "")]));
}
