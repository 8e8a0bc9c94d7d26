//! The sandbox's token endpoint.

use std::time::Duration;

use fiskil_auth::Credentials;
use fiskil_auth::sandbox::Sandbox;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{Method, Request, StatusCode};
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::caller::{call_api, exchange, fetch_token, pair, post_json, send};

#[tokio::test(start_paused = true)]
async fn an_exchange_returns_a_token_for_fifteen_minutes() {
    let sandbox = Sandbox::new();
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header(CONTENT_TYPE),
        "application/json; charset=UTF-8"
    );
    assert_eq!(answer.json["expires_in"], 900);
    assert_eq!(answer.json["token_type"], "Bearer");
    let token = answer.json["token"].as_str().unwrap();
    assert_eq!(token.len(), 350);
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
}

#[tokio::test(start_paused = true)]
async fn every_exchange_returns_another_token() {
    let sandbox = Sandbox::new();
    let first = fetch_token(&sandbox).await;
    let second = fetch_token(&sandbox).await;

    assert_ne!(first, second);
    assert_eq!(call_api(&sandbox, &first).await, StatusCode::OK);
    assert_eq!(call_api(&sandbox, &second).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_uri_may_name_any_host_and_the_content_type_any_charset() {
    let sandbox = Sandbox::new();
    let request = Request::post("https://api.fiskil.com/v1/token")
        .header(CONTENT_TYPE, "Application/JSON;charset=utf-8")
        .body(pair(&sandbox.credentials()))
        .unwrap();

    assert_eq!(send(&sandbox, request).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_sandbox_are_unauthorized() {
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let own = sandbox.credentials();
    let foreign = other.credentials();
    let id_only = Credentials::new(own.client_id(), foreign.expose_secret());
    let secret_only = Credentials::new(foreign.client_id(), own.expose_secret());

    for credentials in [foreign, id_only, secret_only] {
        let answer = send(&sandbox, exchange(&credentials)).await;
        answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    assert_eq!(sandbox.counts().issued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_exchange_is_an_invalid_request() {
    let sandbox = Sandbox::new();
    let credentials = sandbox.credentials();
    let (id, secret) = (credentials.client_id(), credentials.expose_secret());
    let bodies = [
        String::new(),
        "{".into(),
        "[]".into(),
        json!({"client_id": id}).to_string(),
        json!({"client_secret": secret}).to_string(),
        json!({"client_id": id, "client_secret": null}).to_string(),
        json!({"client_id": id, "client_secret": [secret]}).to_string(),
        json!({"client_id": 7, "client_secret": secret}).to_string(),
        format!("client_id={id}&client_secret={secret}"),
        " ".repeat(1 << 20) + &json!({"client_id": id, "client_secret": secret}).to_string(),
    ];
    for body in bodies {
        let answer = send(&sandbox, post_json(body)).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "InvalidRequest");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_not_declared_as_json_is_an_invalid_request() {
    let sandbox = Sandbox::new();
    let declared = Request::post("/v1/token").header(CONTENT_TYPE, "text/json");
    for request in [Request::post("/v1/token"), declared] {
        let request = request.body(pair(&sandbox.credentials())).unwrap();
        let answer = send(&sandbox, request).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "InvalidRequest");
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_pair_is_refused_after_a_rotation_but_its_tokens_stay_valid() {
    let sandbox = Sandbox::new();
    let old = sandbox.credentials();
    let token = fetch_token(&sandbox).await;
    let new = sandbox.rotate_credentials();

    let refused = send(&sandbox, exchange(&old)).await;
    refused.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    assert_eq!(send(&sandbox, exchange(&new)).await.status, StatusCode::OK);
    assert_eq!(sandbox.credentials().client_id(), new.client_id());
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_last_exchange_can_be_looked_at_without_its_secrets() {
    let sandbox = Sandbox::new();
    assert!(sandbox.last_exchange().is_none());

    let mut request = exchange(&sandbox.credentials());
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, "first/1.0".parse().unwrap());
    headers.append(AUTHORIZATION, "Bearer shy".parse().unwrap());
    headers.append(AUTHORIZATION, "Bearer shyer".parse().unwrap());
    send(&sandbox, request).await;
    call_api(&sandbox, "unknown").await;

    let seen = sandbox.last_exchange().unwrap();
    assert_eq!(seen.method(), Method::POST);
    assert_eq!(seen.uri(), "/v1/token");
    assert_eq!(seen.headers()[USER_AGENT], "first/1.0");
    assert!(!format!("{seen:?}").contains("shy"));
}

#[tokio::test(start_paused = true)]
async fn the_lifetime_holds_for_tokens_issued_after_it_was_set() {
    let sandbox = Sandbox::new();
    let long = fetch_token(&sandbox).await;
    sandbox.set_lifetime(Duration::from_millis(1_500));
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.json["expires_in"], 1);
    let short = answer.token();

    advance(Duration::from_millis(1_499)).await;
    assert_eq!(call_api(&sandbox, &short).await, StatusCode::OK);
    advance(Duration::from_millis(1)).await;
    assert_eq!(call_api(&sandbox, &short).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call_api(&sandbox, &long).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_may_be_zero_or_without_end() {
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::ZERO);
    let dead = fetch_token(&sandbox).await;
    assert_eq!(call_api(&sandbox, &dead).await, StatusCode::UNAUTHORIZED);

    sandbox.set_lifetime(Duration::MAX);
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.json["expires_in"], u64::MAX);
    advance(Duration::from_secs(1_000_000)).await;
    assert_eq!(call_api(&sandbox, &answer.token()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn latency_delays_the_token_endpoint_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.set_latency(Duration::from_secs(5));
    let start = Instant::now();
    let token = fetch_token(&sandbox).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    // The lifetime counts from the arrival of the exchange.
    advance(Duration::from_secs(895)).await;
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::UNAUTHORIZED);

    sandbox.set_latency(Duration::ZERO);
    let start = Instant::now();
    fetch_token(&sandbox).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}
