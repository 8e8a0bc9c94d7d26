//! How to test a service of your own against the sandbox: a small axum service
//! that asks Fiskil, and what becomes of it in fair weather and foul.
//!
//! Guarantees 7 (outages stay invisible) and 8 (recovery without a restart), from
//! a user's side.
//!
//! Nothing here touches the network, and the clock is paused: sixteen minutes
//! pass at once.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::extract::State;
use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox, Step};
use fiskil_auth::{BoxError, Credentials, error_for_auth};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

/// Whatever answers for Fiskil: the real API, or a sandbox.
type Fiskil = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, BoxError>;

fn my_service(fiskil: Fiskil) -> Router {
    Router::new()
        .route("/customers/count", get(count))
        .with_state(fiskil)
}

async fn count(State(fiskil): State<Fiskil>) -> Result<String, StatusCode> {
    let customers = fetch(fiskil).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(customers.to_string())
}

async fn fetch(fiskil: Fiskil) -> Result<usize, BoxError> {
    let request = Request::get("/v1/end-users").body(Empty::new())?;
    let response = fiskil.oneshot(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("Fiskil answered {}", response.status()).into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice::<Vec<serde_json::Value>>(&body)?.len())
}

/// The service, with a sandbox in Fiskil's place.
fn service_on(sandbox: &Sandbox) -> Router {
    service_with(sandbox, sandbox.credentials())
}

fn service_with(sandbox: &Sandbox, credentials: Credentials) -> Router {
    let fiskil = ServiceBuilder::new()
        .map_result(error_for_auth)
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(sandbox.layer_for(credentials))
        .service(sandbox.service());
    my_service(BoxCloneSyncService::new(fiskil))
}

async fn ask(service: &Router) -> StatusCode {
    let request = Request::get("/customers/count").body(Body::empty());
    let response = service.clone().oneshot(request.unwrap()).await.unwrap();
    response.status()
}

#[tokio::test(start_paused = true)]
async fn customers_are_counted() {
    let sandbox = Sandbox::new();
    assert_eq!(ask(&service_on(&sandbox)).await, StatusCode::OK);
    assert_eq!(sandbox.counts().exchanges, 1);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_work_outlives_many_tokens() {
    let sandbox = Sandbox::new();
    let service = service_on(&sandbox);
    for _ in 0..24 * 60 {
        assert_eq!(ask(&service).await, StatusCode::OK);
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    assert_eq!(sandbox.counts().unauthorized, 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_token_endpoint_is_bridged_while_the_token_lives() {
    let sandbox = Sandbox::new();
    let service = service_on(&sandbox);
    assert_eq!(ask(&service).await, StatusCode::OK);

    sandbox.fail_exchanges(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    tokio::time::advance(Duration::from_secs(14 * 60)).await;
    assert_eq!(ask(&service).await, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(ask(&service).await, StatusCode::BAD_GATEWAY);

    sandbox.heal();
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(ask(&service).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_costs_one_answer() {
    let sandbox = Sandbox::new();
    let service = service_on(&sandbox);
    assert_eq!(ask(&service).await, StatusCode::OK);
    sandbox.revoke_tokens();
    // With `RetryUnauthorized` above the layer it would cost none.
    assert_eq!(ask(&service).await, StatusCode::BAD_GATEWAY);
    assert_eq!(ask(&service).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn rotated_credentials_reach_the_service_without_a_restart() {
    let sandbox = Sandbox::new();
    let vault = sandbox.clone();
    let from_vault = move || {
        let credentials = vault.credentials();
        async { Ok::<_, BoxError>(credentials) }
    };
    let tokens = sandbox.layer_for(from_vault).tokens();
    tokens.token().await.unwrap();
    sandbox.rotate_credentials();
    tokens.refresh().await.unwrap();
    assert_eq!(sandbox.counts().issued, 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_start_is_survived_whatever_the_token_endpoint_does() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([
        Step::Fault(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)),
        Step::Fault(Fault::Hang),
        Step::Token {
            lifetime: Duration::from_secs(5),
        },
    ]);
    let service = service_on(&sandbox);
    let bad = StatusCode::BAD_GATEWAY;
    for expected in [bad, bad, StatusCode::OK] {
        // A test that fails here prints what the sandbox saw.
        assert_eq!(ask(&service).await, expected, "{}", sandbox.log());
        tokio::time::advance(Duration::from_secs(4)).await;
    }
    // An exchange more than the script has would fail the test, too.
    script.finish();
}

#[tokio::test(start_paused = true)]
async fn the_outage_of_one_tenant_is_no_other_tenants() {
    let sandbox = Sandbox::new();
    let (one, another) = (sandbox.add_pair(), sandbox.add_pair());
    one.fail_exchanges(Fault::Status(StatusCode::TOO_MANY_REQUESTS));
    let service_of_one = service_with(&sandbox, one.credentials());
    let service_of_another = service_with(&sandbox, another.credentials());

    assert_eq!(ask(&service_of_one).await, StatusCode::BAD_GATEWAY);
    assert_eq!(ask(&service_of_another).await, StatusCode::OK);
    assert_eq!((one.counts().issued, another.counts().issued), (0, 1));
}
