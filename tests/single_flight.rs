//! At most one fetch is under way, all who wait share its outcome, and no caller
//! can cancel or starve it.
//!
//! Guarantees 1 (single flight), 2 (no caller cancels or starves a fetch), 3
//! (waits are bounded and hold nothing) and 4 (nothing expired is sent).
//!
//! Mutations caught:
//! - an exchange that is aborted with its last waiter: `dropping_every_request_…`
//! - a claim in `call`: `a_future_that_is_never_polled_…`
//! - a second exchange for a request that waited for one that failed:
//!   `a_request_polled_late_…`
//! - a wait budget that starts anew with a second wait, or a permit held during
//!   it: `a_second_wait_…`
//! - a permit held during the first wait, or no look at the token once the inner
//!   service is ready: `a_request_that_waited_checks_…`
//! - a lifetime that counts from the wait for readiness: `a_token_lives_from_…`
//!
//! Not caught, since nothing changes: a renewal that is called due while one is
//! under way. Claiming it looks again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::time::Duration;

use fiskil_auth::{Error, ErrorKind, FiskilAuthLayer};
use futures_util::future::{FutureExt, join_all};
use http::{Request, StatusCode};
use support::{Api, Tokens, credentials, layer, sent, settle};
use tokio::time::{Instant, timeout};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

#[tokio::test(start_paused = true)]
async fn ten_thousand_cold_requests_share_one_fetch() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_millis(50));
    let (layer, api) = (layer(&tokens), Api::default());
    let service = layer.layer(api.clone());
    let from = Instant::now();
    let requests = (0..10_000).map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))));
    let requests: Vec<_> = requests.collect();
    // The paused clock moves only once they all wait.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(layer.tokens().status().waiting, 10_000);
    for response in join_all(requests).await {
        assert_eq!(sent(&response.unwrap().unwrap()), "t1");
    }
    assert!(from.elapsed() < Duration::from_millis(55));
    assert_eq!(tokens.exchanges(), 1);
    assert_eq!(layer.tokens().status().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_and_its_clones_share_the_token() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let api = Api::default();
    for layer in [layer.clone(), layer] {
        for _ in 0..2 {
            let response = layer.layer(api.clone()).oneshot(Request::new(())).await;
            assert_eq!(sent(&response.unwrap()), "t1");
        }
    }
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_error() {
    let tokens = Tokens::new();
    tokens.answer(|n| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Err(format!("failure {n}").into())
    });
    let (layer, api) = (layer(&tokens), Api::default());
    let service = layer.layer(api.clone());
    let from = Instant::now();
    let requests = (0..1000).map(|_| service.clone().oneshot(Request::new(())));
    for response in join_all(requests).await {
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let error = response.extensions().get::<Error>().unwrap();
        let source = std::error::Error::source(error).unwrap();
        assert_eq!(source.to_string(), "failure 1");
    }
    assert!(
        from.elapsed() < Duration::from_secs(4),
        "as long as one failure takes"
    );
    assert_eq!(tokens.exchanges(), 1);
    assert!(api.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_request_that_started_it_leaves_the_fetch_to_the_others() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let service = layer(&tokens).layer(Api::default());
    let leader = tokio::spawn(service.clone().oneshot(Request::new(())));
    settle().await;
    let follower = tokio::spawn(service.clone().oneshot(Request::new(())));
    settle().await;
    leader.abort();
    assert_eq!(sent(&follower.await.unwrap().unwrap()), "t1");
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_every_request_leaves_the_token_to_those_that_come_later() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let service = layer(&tokens).layer(Api::default());
    for _ in 0..5 {
        let request = service.clone().oneshot(Request::new(()));
        timeout(Duration::from_millis(10), request)
            .await
            .unwrap_err();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let from = Instant::now();
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t1");
    assert_eq!(from.elapsed(), Duration::ZERO);
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_with_deadlines_shorter_than_the_fetch_do_not_starve_it() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(5));
    let service = layer(&tokens).layer(Api::default());
    let mut attempts = 0;
    let response = loop {
        attempts += 1;
        let request = service.clone().oneshot(Request::new(()));
        if let Ok(response) = timeout(Duration::from_millis(100), request).await {
            break response.unwrap();
        }
    };
    assert_eq!(sent(&response), "t1");
    assert!((50..=52).contains(&attempts), "{attempts}");
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_never_polled_claims_nothing() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let mut service = layer.layer(Api::default());
    let unpolled = service.ready().await.unwrap().call(Request::new(()));
    let response = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t1");
    // The same where a renewal is due.
    tokio::time::sleep(Duration::from_secs(800)).await;
    let unpolled_too = service.ready().await.unwrap().call(Request::new(()));
    settle().await;
    assert_eq!(tokens.exchanges(), 1);
    service.oneshot(Request::new(())).await.unwrap();
    settle().await;
    assert_eq!(tokens.exchanges(), 2);
    drop((unpolled, unpolled_too));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_checks_the_token_again_when_the_inner_service_is_ready() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let mut service = layer(&tokens).layer(limited.clone());
    let request = service.ready().await.unwrap().call(Request::new(()));
    let request = tokio::spawn(request);
    settle().await;
    // Takes the only permit, and keeps it past the life of the token.
    let mut holder = limited;
    holder.ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(tokens.exchanges(), 1);
    drop(holder);
    assert_eq!(sent(&request.await.unwrap().unwrap()), "t2");
}

#[tokio::test(start_paused = true)]
async fn a_second_wait_gets_no_new_budget_and_holds_no_permit() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(6));
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let mut service = layer(&tokens).layer(limited.clone());
    let request = tokio::spawn(service.ready().await.unwrap().call(Request::new(())));
    settle().await;
    // Keeps the inner service busy until the token has expired.
    let mut holder = limited.clone();
    holder.ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    drop(holder);
    settle().await;
    assert_eq!(tokens.exchanges(), 2);
    let from = Instant::now();
    limited.oneshot(Request::new(())).await.unwrap();
    assert_eq!(from.elapsed(), Duration::ZERO);
    // Six of its ten seconds went by during the first wait.
    let response = request.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(from.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_token_lives_from_the_call_of_the_token_service_not_from_the_wait_for_it() {
    let limited = ConcurrencyLimit::new(Tokens::new(), 1);
    let layer = FiskilAuthLayer::with_token_service(credentials(), limited.clone());
    let mut holder = limited;
    holder.ready().await.unwrap();
    let cache = layer.tokens();
    let token = tokio::spawn(async move { cache.token().await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(holder);
    token.await.unwrap().unwrap();
    // 890 s; it would be 885 s, counted from the start of the wait.
    let left = layer.tokens().status().expires_in.unwrap();
    assert!(left > Duration::from_secs(886), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_polled_late_shares_the_failure_it_waited_for() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let service = layer(&tokens).layer(Api::default());
    let mut late = Box::pin(service.oneshot(Request::new(())));
    assert!((&mut late).now_or_never().is_none());
    // By then another fetch could start, but the one that this request waited
    // for has failed.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let response = late.await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn refresh_renews_a_good_token_and_joins_a_renewal_under_way() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let layer = layer(&tokens);
    let cache = layer.tokens();
    assert_eq!(cache.token().await.unwrap().header_value(), "Bearer t1");
    let (one, other) = tokio::join!(cache.refresh(), cache.refresh());
    assert_eq!(one.unwrap().header_value(), "Bearer t2");
    assert_eq!(other.unwrap().header_value(), "Bearer t2");
    assert_eq!(tokens.exchanges(), 2);
    let service = layer.layer(Api::default());
    assert_eq!(
        sent(&service.oneshot(Request::new(())).await.unwrap()),
        "t2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_keeps_the_token_and_delays_the_next_fetch() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    cache.token().await.unwrap();
    tokens.fail("down");
    assert_eq!(
        cache.refresh().await.unwrap_err().kind(),
        ErrorKind::TokenService
    );
    assert_eq!(
        cache.refresh().await.unwrap_err().kind(),
        ErrorKind::TokenService
    );
    assert_eq!(tokens.exchanges(), 2);
    assert_eq!(cache.token().await.unwrap().header_value(), "Bearer t1");
}
