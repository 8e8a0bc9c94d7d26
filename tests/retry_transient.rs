//! Failures to get a token that `RetryUnauthorized` waits for, if asked to.
//!
//! Breaks tried, each caught: the failure's `Error` not looked at; permanent
//! errors waited for; waits that ignore the patience, or take none of it; no
//! budget, or one that nothing adds to; no wait; a timer without a runtime.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use fiskil_auth::Token;
use fiskil_auth::retry::RetryUnauthorized;
use http::{Request, Response, StatusCode};
use support::{Api, Tokens, layer, sent, settle};
use tokio::time::{Instant, timeout};
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};

/// A stack that waits for a token service that fails until it is told otherwise.
fn waiting(
    tokens: &Tokens,
    patience: Duration,
) -> (BoxCloneService<Request<()>, Response<()>, Infallible>, Api) {
    let api = Api::default();
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(drop))
        .retry(RetryUnauthorized::new().retry_transient(patience))
        .layer(layer(tokens))
        .service(api.clone());
    (BoxCloneService::new(service), api)
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_waited_out_if_asked_for() {
    let tokens = Tokens::new();
    tokens.answer(|n| async move {
        match n {
            1 | 2 => Err("down".into()),
            n => Ok(support::token(n)),
        }
    });
    let (service, _api) = waiting(&tokens, Duration::from_secs(10));
    let from = Instant::now();
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t3");
    // 1 and 2 s, each stretched by up to a quarter.
    let waited = from.elapsed().as_secs_f64();
    assert!((3.0..=3.76).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn all_waits_together_stay_within_the_patience() {
    let tokens = Tokens::new();
    tokens.fail("down");
    // Enough for the first wait or for the second, not for both.
    let (service, api) = waiting(&tokens, Duration::from_millis(2600));
    for (from_ms, to_ms) in [(1000, 1260), (2000, 2510), (0, 0)] {
        let from = Instant::now();
        let request = service.clone().oneshot(Request::new(()));
        let response = timeout(Duration::from_secs(600), request).await.unwrap();
        let status = response.unwrap().status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let waited = from.elapsed().as_millis();
        assert!((from_ms..=to_ms).contains(&waited), "{waited}");
    }
    assert!(api.seen().is_empty());
    assert_eq!(tokens.exchanges(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_not_waited_for() {
    let tokens = Tokens::new();
    tokens.answer(|_| async { Err(Token::new("", Duration::ZERO).unwrap_err().into()) });
    let (service, _api) = waiting(&tokens, Duration::from_secs(60));
    let from = Instant::now();
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(from.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_a_budget() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let (service, _api) = waiting(&tokens, Duration::from_secs(60));
    let from = Instant::now();
    let requests: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    settle().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let at_once = requests
        .iter()
        .filter(|request| request.is_finished())
        .count();
    // Ten a second for ten seconds may wait; nothing succeeded that adds to it.
    assert_eq!((at_once, from.elapsed().as_millis()), (900, 1));
    for request in requests {
        request.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_succeed_add_to_the_budget() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new().retry_transient(Duration::from_secs(60)))
        .layer(layer.clone())
        .service(Api::default());
    for _ in 0..500 {
        service.clone().oneshot(Request::new(())).await.unwrap();
    }
    // What was put in counts from the next tenth of ten seconds on.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    tokens.fail("down");
    layer.tokens().invalidate(&support::token(1));
    let requests: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let finished = requests.iter().filter(|request| request.is_finished());
    // A hundred as before, and a fifth of five hundred.
    assert_eq!(finished.count(), 800);
}

#[test]
fn a_wait_without_a_runtime_is_not_begun() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let (service, _api) = waiting(&tokens, Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    // From here on exchanges are held back.
    let held_back = service.clone();
    runtime.block_on(async {
        let call = held_back.oneshot(Request::new(()));
        drop(tokio::time::timeout(Duration::from_millis(1), call).await);
    });
    let mut call = Box::pin(service.oneshot(Request::new(())));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let poll = call.as_mut().poll(&mut cx);
    let std::task::Poll::Ready(Ok(response)) = poll else {
        panic!("it waits for a runtime that is not there");
    };
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
