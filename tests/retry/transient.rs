//! What it waits for, if it is asked to: failures to get a token.

use std::convert::Infallible;
use std::time::Duration;

use fiskil_auth::Token;
use fiskil_auth::retry::RetryUnauthorized;
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout};
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};

use crate::support::{self, Api, Tokens, layer, runtime, sent, settle};

/// A stack that waits up to `budget` for a failing token service, and its API.
fn waiting(
    tokens: &Tokens,
    budget: Duration,
) -> (BoxCloneService<Request<()>, Response<()>, Infallible>, Api) {
    let api = Api::default();
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(drop))
        .retry(RetryUnauthorized::new().retry_transient(budget))
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
async fn all_waits_together_stay_within_the_wait_budget() {
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
async fn requests_that_wait_share_a_retry_budget() {
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
    // A hundred may wait: ten a second for ten seconds. No success adds to that.
    assert_eq!((at_once, from.elapsed().as_millis()), (900, 1));
    for request in requests {
        request.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_succeed_add_to_the_retry_budget() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new().retry_transient(Duration::from_secs(60)))
        .layer(layer.clone())
        .service(Api::default());
    for _ in 0..500 {
        service.clone().oneshot(Request::new(())).await.unwrap();
    }
    // Successes count from the next tenth of the ten seconds on.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    tokens.fail("down");
    layer.tokens().invalidate(&support::token(1));
    let requests: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let finished = requests.iter().filter(|request| request.is_finished());
    // A hundred may wait as before, and a hundred more for 500 successes.
    assert_eq!(finished.count(), 800);
}

#[test]
fn without_a_runtime_it_does_not_wait() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let (service, _api) = waiting(&tokens, Duration::from_secs(60));
    // After this failure the next fetch is not due yet.
    let failing = service.clone();
    runtime().block_on(async {
        let call = failing.oneshot(Request::new(()));
        drop(timeout(Duration::from_millis(1), call).await);
    });
    let mut call = Box::pin(service.oneshot(Request::new(())));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let poll = call.as_mut().poll(&mut cx);
    let std::task::Poll::Ready(Ok(response)) = poll else {
        panic!("it waits, without a runtime");
    };
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
