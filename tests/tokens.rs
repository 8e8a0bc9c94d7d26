//! `TokenCache` by itself: at start, in a probe, in metrics, and with no HTTP
//! stack around.
//!
//! Guarantees 4 (nothing invalidated is sent), 5 (a 401 concerns its token only),
//! 6 (the token endpoint is not pressed) and 7 (outages stay invisible), for
//! probes.
//!
//! Mutations caught: failures or rejections not counted, a waiter counted once
//! more; the refresh point told as the expiry, and the expiry as the lifetime's
//! end; `invalidate` of another token than the one in use.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::time::Duration;

use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{Credentials, ErrorKind, FiskilAuthLayer, Status, TokenCache, TokenClient};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use support::{Api, Tokens, layer, settle, token};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};

fn counts(status: &Status) -> (u64, u64, u64, u64, usize) {
    (
        status.generation,
        status.fetches,
        status.failures,
        status.rejections,
        status.waiting,
    )
}

fn sandbox_cache(sandbox: &Sandbox, credentials: Credentials) -> TokenCache {
    FiskilAuthLayer::with_token_service(credentials, TokenClient::new(sandbox.service())).tokens()
}

#[tokio::test(start_paused = true)]
async fn warming_up_at_start_leaves_no_request_waiting() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_millis(300));
    let layer = layer(&tokens);
    layer.tokens().token().await.unwrap();
    let from = Instant::now();
    let service = layer.layer(Api::default());
    service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(from.elapsed(), Duration::ZERO);
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn warming_up_with_bad_credentials_fails_at_once_and_says_what_to_do() {
    let sandbox = Sandbox::new();
    let from = Instant::now();
    let error = sandbox_cache(&sandbox, Credentials::new("id", "wrong"))
        .token()
        .await
        .unwrap_err();
    assert_eq!(from.elapsed(), Duration::ZERO);
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(!error.is_transient());
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    assert!(error.to_string().contains("client id \"id\""), "{error}");
    assert!(error.to_string().contains(error.error_id().unwrap()));
    assert_eq!(sandbox.counts().exchanges, 1);
}

#[tokio::test(start_paused = true)]
async fn warming_up_while_the_endpoint_is_down_says_when_to_come_back() {
    let sandbox = Sandbox::new();
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    let cache = sandbox_cache(&sandbox, sandbox.credentials());
    let error = cache.token().await.unwrap_err();
    assert!(error.is_transient());
    tokio::time::sleep(error.retry_after().unwrap()).await;
    cache.token().await.unwrap();
    assert_eq!(sandbox.counts().exchanges, 2);
}

/// Ready as long as there is a token to send, or one can be fetched.
async fn probe(cache: &TokenCache) -> StatusCode {
    match cache.token().await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[tokio::test(start_paused = true)]
async fn a_readiness_probe_stays_ready_through_an_outage_while_the_token_lives() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    assert_eq!(probe(&cache).await, StatusCode::OK);
    tokens.fail("down");
    let from = Instant::now();
    // The margin of 900 s is 10 s.
    while from.elapsed() < Duration::from_secs(885) {
        assert_eq!(probe(&cache).await, StatusCode::OK);
        advance(Duration::from_secs(5)).await;
    }
    advance(Duration::from_secs(10)).await;
    assert_eq!(probe(&cache).await, StatusCode::SERVICE_UNAVAILABLE);
    tokens.issue_after(Duration::ZERO);
    advance(Duration::from_secs(30)).await;
    assert_eq!(probe(&cache).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_probe_every_second_costs_no_more_fetches_than_requests_do() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let cache = layer(&tokens).tokens();
    for _ in 0..600 {
        assert_eq!(probe(&cache).await, StatusCode::SERVICE_UNAVAILABLE);
        advance(Duration::from_secs(1)).await;
    }
    // 1, 2, 4, 8 and 16 s apart at first, then 24 to 30 s.
    let exchanges = tokens.exchanges();
    assert!((22..=30).contains(&exchanges), "{exchanges}");
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_fresh_cache_is_all_zeros_and_asking_starts_nothing() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    let status = cache.status();
    assert_eq!(counts(&status), (0, 0, 0, 0, 0));
    assert_eq!((status.refresh_in, status.expires_in), (None, None));
    settle().await;
    assert_eq!(tokens.exchanges(), 0);
}

#[tokio::test(start_paused = true)]
async fn status_counts_fetches_failures_rejections_and_waiting_requests() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let (layer, api) = (layer(&tokens), Api::default());
    let (cache, service) = (layer.tokens(), layer.layer(api.clone()));
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    settle().await;
    assert_eq!(counts(&cache.status()), (0, 1, 0, 0, 3));
    // A request that is dropped no longer counts.
    waiting.first().unwrap().abort();
    settle().await;
    assert_eq!(cache.status().waiting, 2);
    futures_util::future::join_all(waiting).await;
    assert_eq!(counts(&cache.status()), (1, 1, 0, 0, 0));

    tokens.fail("down");
    cache.refresh().await.unwrap_err();
    assert_eq!(counts(&cache.status()), (1, 2, 1, 0, 0));

    tokens.issue_after(Duration::ZERO);
    advance(Duration::from_secs(2)).await;
    cache.refresh().await.unwrap();
    assert_eq!(counts(&cache.status()), (2, 3, 1, 0, 0));

    api.answer(StatusCode::UNAUTHORIZED);
    service.oneshot(Request::new(())).await.unwrap();
    settle().await;
    assert_eq!(counts(&cache.status()), (3, 4, 1, 1, 0));

    cache.invalidate(&token(4));
    assert_eq!(counts(&cache.status()), (3, 4, 1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn status_tells_when_the_token_is_renewed_and_when_it_expires() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    cache.token().await.unwrap();
    let at_first = cache.status();
    let refresh = at_first.refresh_in.unwrap().as_secs();
    assert!((539..720).contains(&refresh), "{refresh}");
    // 900 s less a margin of 10 s.
    let expiry = at_first.expires_in.unwrap();
    assert!((889..=890).contains(&expiry.as_secs()), "{expiry:?}");

    advance(Duration::from_secs(100)).await;
    let later = cache.status();
    let passed = expiry - later.expires_in.unwrap();
    assert!((99..=101).contains(&passed.as_secs()), "{passed:?}");
    advance(Duration::from_secs(700)).await;
    assert_eq!(cache.status().refresh_in, Some(Duration::ZERO));
    advance(Duration::from_secs(91)).await;
    let done = cache.status();
    assert_eq!((done.refresh_in, done.expires_in), (None, None));
    assert_eq!(done.generation, 1);
}

#[tokio::test(start_paused = true)]
async fn invalidating_a_token_leaves_its_successor_alone() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    let first = cache.token().await.unwrap();
    cache.invalidate(&first);
    assert_eq!(cache.status().expires_in, None);
    let second = cache.token().await.unwrap();
    assert_eq!(second.header_value(), "Bearer t2");
    // Too late: the second one is in use.
    cache.invalidate(&first);
    assert!(cache.status().expires_in.is_some());
    assert_eq!(cache.token().await.unwrap().header_value(), "Bearer t2");
    assert_eq!((tokens.exchanges(), cache.status().rejections), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn refresh_fetches_whether_or_not_there_is_a_token() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    for n in 1..=3 {
        let token = cache.refresh().await.unwrap();
        assert_eq!(token.header_value(), format!("Bearer t{n}").as_str());
    }
    assert_eq!(cache.token().await.unwrap().header_value(), "Bearer t3");
}

#[tokio::test(start_paused = true)]
async fn a_warm_cache_answers_without_waiting_and_its_token_fits_a_header() {
    let cache = layer(&Tokens::new()).tokens();
    cache.token().await.unwrap();
    let token = cache.token().now_or_never().unwrap().unwrap();
    assert!(token.header_value().is_sensitive());
    assert_eq!(token.lifetime(), Duration::from_secs(900));
}

#[tokio::test(start_paused = true)]
async fn a_handle_outlives_the_layer_and_shares_its_token() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let (one, other) = (layer.tokens(), layer.tokens().clone());
    drop(layer);
    one.token().await.unwrap();
    other.token().await.unwrap();
    assert_eq!(tokens.exchanges(), 1);
    assert_eq!(counts(&one.status()), counts(&other.status()));
}
