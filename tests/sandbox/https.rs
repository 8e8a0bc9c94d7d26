//! The sandbox over HTTPS on loopback.

use axum::{Router, routing::get};
use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{BoxError, Error, ErrorKind};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tower::{Layer, ServiceExt};

use crate::caller::{Answer, end_users, exchange};

#[tokio::test]
async fn the_client_exchanges_and_calls_the_api_over_https() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    assert!(https.base_url().starts_with("https://127.0.0.1:"));

    let request = at(&https.base_url(), exchange(&sandbox.credentials()));
    let answer = Answer::read(https.client().oneshot(request).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);

    let request = at(
        &https.base_url(),
        end_users(&format!("Bearer {}", answer.token())),
    );
    let answer = Answer::read(https.client().oneshot(request).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.json.is_array());
    assert_eq!(
        (sandbox.counts().exchanges, sandbox.counts().requests),
        (1, 1)
    );
}

#[tokio::test]
async fn the_ready_made_layer_puts_a_token_on_requests_to_this_server_and_no_other() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let api = https.layer().layer(https.client());
    let answer = api.clone().oneshot(bare(&https.base_url())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);

    let elsewhere = sandbox.serve_https().await.unwrap().base_url();
    for other in [elsewhere.as_str(), "https://api.fiskil.com"] {
        let answer = api.clone().oneshot(bare(other)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        let error: &Error = answer.extensions().get().unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
    let counts = sandbox.counts();
    assert_eq!((counts.exchanges, counts.requests), (1, 1));
    let by = format!("POST /v1/token by {}", sandbox.credentials().client_id());
    assert!(sandbox.log().to_string().contains(&by));
}

#[tokio::test]
async fn a_layer_for_other_credentials_asks_with_those() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let foreign = Sandbox::new().credentials();
    let api = https.layer_for(foreign).layer(https.client());
    let answer = api.oneshot(bare(&https.base_url())).await.unwrap();

    let error: &Error = answer.extensions().get().unwrap();
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(sandbox.counts().exchanges, 1);
}

#[tokio::test]
async fn routes_of_ones_own_are_served_behind_the_tokens_beside_the_endpoint() {
    let sandbox = Sandbox::new();
    let echo = async |request: axum::extract::Request| request.into_body();
    let routes = Router::new().route("/v1/accounts", get(async || "one").post(echo));
    let https = sandbox.serve_https_with(routes).await.unwrap();
    let base = https.base_url();
    let request = |method: &str| {
        let request = Request::builder().method(method);
        let request = request.uri(format!("{base}/v1/accounts"));
        request.body(Full::<Bytes>::from("two")).unwrap()
    };
    let refused = https.client().oneshot(request("GET")).await.unwrap();
    let refused = Answer::read(refused).await;
    refused.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");

    let api = https.layer().layer(https.client());
    for (method, expected) in [("GET", "one"), ("POST", "two")] {
        let answer = api.clone().oneshot(request(method)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, expected);
    }
    let answer = api.oneshot(bare(&base)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let counts = sandbox.counts();
    assert_eq!((counts.exchanges, counts.requests), (1, 4));
}

#[tokio::test]
async fn the_certificate_holds_for_localhost_too() {
    let https = Sandbox::new().serve_https().await.unwrap();
    let base = https.base_url().replace("127.0.0.1", "localhost");
    let request = at(&base, end_users("Bearer unknown"));

    let answer = Answer::read(https.client().oneshot(request).await.unwrap()).await;
    answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_certificate_fails() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let distrustful = sandbox.serve_https().await.unwrap().client();
    let request = at(&https.base_url(), exchange(&sandbox.credentials()));

    let error = distrustful.oneshot(request).await.unwrap_err();
    assert!(is_connect(&error));
    assert!(
        format!("{error:?}").contains("InvalidCertificate"),
        "{error:?}"
    );
    assert_eq!(sandbox.counts().exchanges, 0);
}

#[tokio::test]
async fn the_client_sends_nothing_over_plain_http() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let base = https.base_url().replace("https:", "http:");
    let request = at(&base, exchange(&sandbox.credentials()));

    let error = https.client().oneshot(request).await.unwrap_err();
    assert!(is_connect(&error));
}

#[tokio::test]
async fn the_certificate_is_given_as_pem_and_made_anew_for_every_server() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let another = sandbox.serve_https().await.unwrap();

    assert!(
        https
            .certificate_pem()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_ne!(https.certificate_pem(), another.certificate_pem());
}

#[tokio::test]
async fn dropping_the_server_cuts_its_connections_and_frees_its_port() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Hang);
    let https = sandbox.serve_https().await.unwrap();
    let address = https.base_url().replace("https://", "");
    let request = at(&https.base_url(), exchange(&sandbox.credentials()));
    let hanging = tokio::spawn(https.client().oneshot(request));
    while sandbox.counts().exchanges == 0 {
        yield_now().await;
    }

    drop(https);
    // The server's task ends only when the runtime gets to it. Nobody connects to
    // the free port: it may be another server's by then, which would count that.
    let mut freed = false;
    for _ in 0..100 {
        freed = freed || TcpListener::bind(&address).await.is_ok();
        yield_now().await;
    }
    assert!(freed);
    assert!(hanging.await.unwrap().is_err());
}

fn is_connect(error: &BoxError) -> bool {
    let error = error.downcast_ref::<hyper_util::client::legacy::Error>();
    error.is_some_and(|error| error.is_connect())
}

/// A request without a token at this base URL.
fn bare(base: &str) -> Request<Full<Bytes>> {
    let request = Request::get(format!("{base}/v1/end-users"));
    request.body(Full::default()).unwrap()
}

/// The same request at this base URL.
fn at(base: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    *request.uri_mut() = format!("{base}{}", request.uri().path()).parse().unwrap();
    request
}
