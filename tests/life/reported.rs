//! `TokenCache::report_rejected`: a 401 that a client beside the layer saw.

use fiskil_auth::{FiskilAuthLayer, TokenCache};
use http::{Request, StatusCode};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use crate::SECOND;
use crate::support::{Api, Tokens, alone_or_shared, layer, sent, settle, token};

async fn send(layer: &FiskilAuthLayer, api: &Api) -> String {
    let service = layer.layer(api.clone());
    sent(&service.oneshot(Request::new(())).await.unwrap()).to_owned()
}

/// All that tells whether something happened.
fn counts(cache: &TokenCache) -> (u64, u64, bool) {
    let status = cache.status();
    (status.fetches, status.rejections, status.suspect)
}

#[tokio::test(start_paused = true)]
async fn it_renews_the_token_at_once_and_requests_wait_for_that_as_after_a_401() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND / 10);
    let layer = layer(&tokens);
    let cache = layer.tokens();
    let rejected = cache.token().await.unwrap();
    cache.report_rejected(&rejected);
    assert_eq!(counts(&cache), (2, 1, true));
    // Once is enough.
    cache.report_rejected(&rejected);
    assert_eq!(send(&layer, &Api::default()).await, "t2");
    assert_eq!(counts(&cache), (2, 1, false));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_no_longer_in_use_and_one_that_never_was_do_nothing() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    cache.report_rejected(&token(1));
    let first = cache.token().await.unwrap();
    let second = cache.refresh().await.unwrap();
    for stale in [&first, &token(77)] {
        cache.report_rejected(stale);
        settle().await;
        assert_eq!(counts(&cache), (2, 0, false));
    }
    // Nor one that has expired, or was invalidated.
    sleep(891 * SECOND).await;
    cache.report_rejected(&second);
    let third = cache.token().await.unwrap();
    cache.invalidate(&third);
    cache.report_rejected(&third);
    settle().await;
    assert_eq!(counts(&cache), (3, 1, false));
    // By their value: whoever kept a copy speaks of the same token.
    cache.token().await.unwrap();
    cache.report_rejected(&token(4));
    assert_eq!(counts(&cache), (5, 2, true));
}

#[tokio::test(start_paused = true)]
async fn it_shares_its_budget_with_the_layer() {
    let tokens = Tokens::new();
    let (layer, api) = (layer(&tokens), Api::default());
    let cache = layer.tokens();
    // Three renewals at once, whoever asks for them.
    send(&layer, &api).await;
    cache.report_rejected(&token(1));
    api.answer(StatusCode::UNAUTHORIZED);
    assert_eq!(send(&layer, &api).await, "t2");
    settle().await;
    cache.report_rejected(&token(3));
    api.answer(StatusCode::NOT_FOUND);
    assert_eq!(send(&layer, &api).await, "t4");
    assert_eq!(tokens.exchanges(), 4);
    // And then none before a second of suspicion.
    cache.report_rejected(&token(4));
    assert_eq!(send(&layer, &api).await, "t4");
    settle().await;
    assert_eq!(tokens.exchanges(), 4);
    // Whoever asks a fleet beyond its budget is told to wait for a second more.
    for _ in 0..alone_or_shared(1, 2) {
        sleep(SECOND).await;
        send(&layer, &api).await;
        settle().await;
    }
    assert_eq!(tokens.exchanges(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_success_of_the_layer_clears_what_was_reported() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    let token = cache.token().await.unwrap();
    tokens.fail("down");
    cache.report_rejected(&token);
    settle().await;
    assert!(cache.status().suspect);
    cache.token().await.unwrap_err();
    assert_eq!(send(&layer, &Api::default()).await, "t1");
    assert!(!cache.status().suspect);
    cache.token().await.unwrap();
}

/// It has no place to run a renewal: the next request starts it.
#[test]
fn outside_a_runtime_the_next_request_renews() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    let runtime = crate::support::paused_runtime();
    let token = runtime.block_on(cache.token()).unwrap();
    cache.report_rejected(&token);
    assert_eq!((tokens.exchanges(), cache.status().suspect), (1, true));
    assert_eq!(runtime.block_on(send(&layer, &Api::default())), "t2");
}
