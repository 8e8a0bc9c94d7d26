//! The whole way over HTTPS on loopback: the layer, its default token service,
//! an HTTP client, and the sandbox in Fiskil's place.
//!
//! Guarantees 1 (single flight), 5 (a 401 concerns its token only), 10 (the secret
//! goes to its endpoint only) and 11 (the token goes to allowed origins only).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, HttpsSandbox, Sandbox};
use fiskil_auth::{Credentials, Error, ErrorKind, FiskilAuthLayer, ResponseBody, TokenClient};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{Layer, ServiceExt};

type Answer = Response<ResponseBody<Incoming>>;

fn layer(sandbox: &Sandbox, server: &HttpsSandbox) -> FiskilAuthLayer {
    let client = TokenClient::new(server.client())
        .endpoint(format!("{}/v1/token", server.base_url()))
        .unwrap();
    FiskilAuthLayer::with_token_service(sandbox.credentials(), client)
        .allow_origin(server.base_url())
        .unwrap()
}

async fn get(layer: &FiskilAuthLayer, server: &HttpsSandbox, path: &str) -> Answer {
    let request = Request::get(format!("{}{path}", server.base_url()))
        .body(Full::<Bytes>::default())
        .unwrap();
    let service = layer.layer(server.client());
    service.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_hundred_cold_requests_cost_one_exchange() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await.unwrap();
    let layer = layer(&sandbox, &server);
    let answers = join_all((0..100).map(|_| get(&layer, &server, "/v1/end-users"))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status() == StatusCode::OK)
    );
    let body = answers.into_iter().next().unwrap().into_body();
    let users: serde_json::Value =
        serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    assert!(
        users
            .pointer("/0/email")
            .is_some_and(serde_json::Value::is_string)
    );
    let counts = sandbox.counts();
    assert_eq!(
        (counts.exchanges, counts.requests, counts.unauthorized),
        (1, 100, 0)
    );
}

#[tokio::test]
async fn the_exchange_on_the_wire_is_as_fiskil_documents_it() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await.unwrap();
    get(&layer(&sandbox, &server), &server, "/v1/end-users").await;
    let exchange = sandbox.last_exchange().unwrap();
    let seen = |name| exchange.headers().get(name).unwrap();
    assert_eq!(exchange.method(), "POST");
    assert_eq!(exchange.uri().path(), "/v1/token");
    assert_eq!(seen(header::ACCEPT), "application/json; charset=UTF-8");
    assert_eq!(
        seen(header::CONTENT_TYPE),
        "application/json; charset=UTF-8"
    );
    let agent = concat!("fiskil-auth/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen(header::USER_AGENT), agent);
    assert!(exchange.headers().get(header::AUTHORIZATION).is_none());
}

#[tokio::test]
async fn a_revoked_token_costs_one_401_and_the_next_request_succeeds() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await.unwrap();
    let layer = layer(&sandbox, &server);
    let mut statuses = Vec::new();
    for revoked in [false, true, false, false] {
        if revoked {
            sandbox.revoke_tokens();
        }
        statuses.push(
            get(&layer, &server, "/v1/end-users")
                .await
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [200, 401, 200, 200]);
    assert_eq!(sandbox.counts().exchanges, 2);
}

#[tokio::test]
async fn fiskils_error_id_and_name_reach_the_caller() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await.unwrap();
    let wrong = Credentials::new(sandbox.credentials().client_id(), "another-secret");
    let client = TokenClient::new(server.client())
        .endpoint(format!("{}/v1/token", server.base_url()))
        .unwrap();
    let layer = FiskilAuthLayer::with_token_service(wrong, client)
        .allow_origin(server.base_url())
        .unwrap();
    let answer = get(&layer, &server, "/v1/end-users").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let error = answer.extensions().get::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(error.error_name(), Some("unauthorized"));
    let id = error.error_id().unwrap();
    assert!(
        id.starts_with("err_") && error.to_string().contains(id),
        "{error}"
    );
}

const BASE_URL: &str = "FISKIL_AUTH_TEST_BASE_URL";

/// A layer from `with_base_url` trusts the platform's certificates only. On Linux a
/// variable names them; as a process can't set it safely for itself, the test runs
/// itself in another.
#[cfg(target_os = "linux")]
#[test]
fn the_default_token_service_works_over_https_with_nothing_but_a_base_url() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(base) = std::env::var(BASE_URL) {
        let layer = FiskilAuthLayer::with_base_url(Credentials::from_env().unwrap(), base).unwrap();
        match runtime.block_on(layer.tokens().token()) {
            Ok(token) => println!("<token for {} s>", token.lifetime().as_secs()),
            Err(error) => println!("<{:?}>", error.kind()),
        }
        return;
    }
    let sandbox = Sandbox::new();
    let server = runtime.block_on(sandbox.serve_https()).unwrap();
    let store = std::env::temp_dir().join(format!("fiskil-auth-{}.pem", std::process::id()));
    std::fs::write(&store, server.certificate_pem()).unwrap();
    let run = || {
        let credentials = sandbox.credentials();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "--nocapture"])
            .arg("the_default_token_service_works_over_https_with_nothing_but_a_base_url")
            .env(BASE_URL, server.base_url())
            .env("FISKIL_CLIENT_ID", credentials.client_id())
            .env("FISKIL_CLIENT_SECRET", credentials.expose_secret())
            .env("SSL_CERT_FILE", &store)
            .env_remove("SSL_CERT_DIR");
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let text = output.split_once('<').unwrap().1.split_once('>').unwrap().0;
        text.to_owned()
    };
    assert_eq!(run(), "token for 900 s");
    assert_eq!(sandbox.counts().exchanges, 1);
    sandbox.fail_next_exchanges(2, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(
        run(),
        "token for 900 s",
        "two failures are within three attempts"
    );
    assert_eq!(sandbox.counts().exchanges, 4);
    std::fs::remove_file(&store).unwrap();
}

#[tokio::test]
async fn base_urls_set_the_endpoint_and_the_origin_together() {
    let credentials = || Credentials::new("id", "secret");
    for base in [
        "http://api.fiskil.com",
        "https://user@api.fiskil.com",
        "https://api.fiskil.com?a=b",
        "https://api.fiskil.com:99999",
        "api.fiskil.com",
        "nonsense",
        "",
    ] {
        let error = FiskilAuthLayer::with_base_url(credentials(), base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{base}");
    }
    for base in [
        "https://proxy.example",
        "https://proxy.example/fiskil/",
        "http://localhost:1",
    ] {
        FiskilAuthLayer::with_base_url(credentials(), base).unwrap();
    }
}
