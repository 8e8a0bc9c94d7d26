//! A platform with many tenants: a layer for each, made on demand, dropped when idle,
//! over one token service.
//!
//! Guarantees 1 (one fetch for each), 2 (a dropped layer) and 13 (nothing afterwards).
//!
//! Mutation caught: a fetch that outlives the last handle of its layer.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod support;

use std::time::Duration;

use fiskil_auth::{
    BoxError, Credentials, ErrorKind, FiskilAuthLayer, Token, TokenClient, TokenRequest,
};
use futures_util::future::join_all;
use http::Request;
use moka::sync::Cache;
use support::{Api, Tokens, error, sent, settle};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// The token service of all tenants: a token says whose it is.
async fn exchange(request: TokenRequest) -> Result<Token, BoxError> {
    sleep(SECOND).await;
    let pair = request.credentials;
    let value = format!("{}/{}", pair.client_id(), pair.expose_secret());
    Ok(Token::new(value, 900 * SECOND)?)
}

fn layer_of(id: &str, secret: &str) -> FiskilAuthLayer {
    FiskilAuthLayer::with_token_service(Credentials::new(id, secret), service_fn(exchange))
}

async fn send(layer: &FiskilAuthLayer) -> String {
    let response = layer.layer(Api::default()).oneshot(Request::new(()));
    sent(&response.await.unwrap()).to_owned()
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_one_fetch_and_a_token_of_its_own() {
    let tenants: Cache<usize, FiskilAuthLayer> = Cache::new(1_000);
    let requests = (0..300).map(|n| {
        let tenant = n % 100;
        let layer = tenants.get_with(tenant, || layer_of(&format!("id-{tenant}"), "secret"));
        async move { (send(&layer).await, tenant, layer) }
    });
    for (sent, tenant, layer) in join_all(requests).await {
        assert_eq!(sent, format!("id-{tenant}/secret"));
        assert_eq!(layer.tokens().status().fetches, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn two_tenants_with_the_same_id_and_different_secrets_never_see_each_others_token() {
    let (one, another) = (layer_of("same", "one"), layer_of("same", "another"));
    for _ in 0..3 {
        assert_eq!(send(&one).await, "same/one");
        assert_eq!(send(&another).await, "same/another");
        // Nor does what happens to one concern the other.
        let tokens = one.tokens();
        tokens.report_rejected(&tokens.token().await.unwrap());
        assert!(!another.tokens().status().suspect);
        sleep(300 * SECOND).await;
    }
    assert_eq!(another.tokens().status().rejections, 0);
}

#[tokio::test(start_paused = true)]
async fn who_knows_only_the_id_of_a_tenant_gets_no_token() {
    let sandbox = fiskil_auth::sandbox::Sandbox::new();
    let right = sandbox.credentials();
    let wrong = Credentials::new(right.client_id(), "guessed");
    let exchanges = TokenClient::new(sandbox.service());
    let [right, wrong] =
        [right, wrong].map(|pair| FiskilAuthLayer::with_token_service(pair, exchanges.clone()));
    assert!(right.tokens().token().await.is_ok());
    let response = wrong.layer(Api::default()).oneshot(Request::new(()));
    assert_eq!(error(&response.await.unwrap()).kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_dropped_while_its_request_waits_still_answers_it() {
    let tenants: Cache<&str, FiskilAuthLayer> = Cache::new(10);
    let layer = tenants.get_with("tenant", || layer_of("id", "secret"));
    let service = layer.layer(Api::default());
    drop(layer);
    let waiting = tokio::spawn(service.oneshot(Request::new(())));
    settle().await;
    tenants.invalidate("tenant");
    tenants.run_pending_tasks();
    assert_eq!(sent(&waiting.await.unwrap().unwrap()), "id/secret");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_dropped_while_it_fetches_for_nobody_leaves_nothing_behind() {
    let exchanges = Tokens::new();
    exchanges.hang();
    let tenants: Cache<&str, FiskilAuthLayer> = Cache::new(10);
    let layer = tenants.get_with("tenant", || support::layer(&exchanges));
    let service = layer.layer(Api::default());
    drop(layer);
    let waiting = tokio::spawn(service.oneshot(Request::new(())));
    settle().await;
    // Its caller has gone, and then the tenant.
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(exchanges.running(), 1);
    tenants.invalidate("tenant");
    tenants.run_pending_tasks();
    settle().await;
    assert_eq!(exchanges.running(), 0);

    // The next request of the tenant starts anew.
    exchanges.issue_after(SECOND);
    let layer = tenants.get_with("tenant", || support::layer(&exchanges));
    assert_eq!(send(&layer).await, "t2");
}
