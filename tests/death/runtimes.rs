//! Runtimes that go away, or were never there.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fiskil_auth::ErrorKind;
use futures_util::FutureExt;
use futures_util::future::poll_immediate;
use http::{Request, StatusCode};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Api, Tokens, alone_or_shared, error, layer, paused_runtime, sent, settle};

#[test]
fn a_runtime_that_goes_away_leaves_the_fetch_to_those_who_wait_elsewhere() {
    let tokens = Tokens::new();
    tokens.hang();
    let service = layer(&tokens).layer(Api::default());
    let first = paused_runtime();
    let second = paused_runtime();
    let leader = first.spawn(service.clone().oneshot(Request::new(())));
    first.block_on(settle());
    assert_eq!(tokens.exchanges(), 1);
    let follower = second.spawn(service.oneshot(Request::new(())));
    second.block_on(settle());
    assert_eq!(tokens.exchanges(), 1);
    tokens.issue_after(Duration::ZERO);
    drop(first);
    drop(leader);
    let response = second.block_on(follower).unwrap().unwrap();
    assert_eq!(sent(&response), "t2");
    assert_eq!(tokens.exchanges(), 2);
}

#[test]
fn a_runtime_for_each_request_does_not_cost_a_fetch_for_each() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    // Each runtime has a clock of its own, which starts at the real time.
    let request = |after| {
        let runtime = paused_runtime();
        let response = runtime.block_on(async {
            tokio::time::advance(after).await;
            let response = service.clone().oneshot(Request::new(())).await;
            // The renewal reaches the token service, which hangs.
            settle().await;
            response
        });
        sent(&response.unwrap()).to_owned()
    };
    assert_eq!(request(Duration::ZERO), "t1");
    tokens.hang();
    for _ in 0..100 {
        // At an age at which the renewal is due.
        assert_eq!(request(Duration::from_secs(800)), "t1");
    }
    assert!(tokens.exchanges() > 1);
    // One a second; all of this takes a few seconds at most.
    assert!(tokens.exchanges() <= 20, "{}", tokens.exchanges());
}

#[test]
fn runtimes_that_die_before_the_first_token_do_not_cost_a_fetch_each() {
    let tokens = Tokens::new();
    tokens.hang();
    let service = layer(&tokens).layer(Api::default());
    for _ in 0..100 {
        let request = service.clone().oneshot(Request::new(()));
        let impatient = async {
            let span = Duration::from_millis(5);
            tokio::time::timeout(span, request).await
        };
        let _ = paused_runtime().block_on(impatient);
    }
    // Three that are lost one after the other, and then one a second; over a
    // shared store one for each lease, which a lost exchange leaves behind.
    let least = alone_or_shared(4, 1);
    assert!(
        (least..=50).contains(&tokens.exchanges()),
        "{}",
        tokens.exchanges()
    );
}

#[test]
fn a_layer_made_and_called_outside_a_runtime_works_when_polled_inside() {
    let tokens = Tokens::new();
    let mut service = layer(&tokens).layer(Api::default());
    let future = service.call(Request::new(()));
    let response = paused_runtime().block_on(future).unwrap();
    assert_eq!(sent(&response), "t1");
}

#[test]
fn without_a_runtime_the_answer_says_so() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let mut future = Box::pin(service.clone().oneshot(Request::new(())));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else {
        panic!("it waits, without a runtime");
    };
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(error(&response).kind(), ErrorKind::Runtime);
    assert!(error(&response).to_string().contains("enable_time"));
    // It holds up nobody else.
    let response = paused_runtime()
        .block_on(service.oneshot(Request::new(())))
        .unwrap();
    assert_eq!(sent(&response), "t1");
}

#[test]
fn without_timers_the_answer_says_so() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let bare = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let response = bare
        .block_on(service.clone().oneshot(Request::new(())))
        .unwrap();
    assert_eq!(error(&response).kind(), ErrorKind::Runtime);
    assert_eq!(tokens.exchanges(), 0);
    let response = paused_runtime()
        .block_on(service.clone().oneshot(Request::new(())))
        .unwrap();
    assert_eq!(sent(&response), "t1");
    // Where there is a token, no timer is needed.
    let response = bare.block_on(service.oneshot(Request::new(()))).unwrap();
    assert_eq!(sent(&response), "t1");
}

#[test]
fn a_wait_that_moves_to_another_runtime_takes_its_timer_along() {
    let tokens = Tokens::new();
    tokens.hang();
    let layer = layer(&tokens);
    let (first, second) = (paused_runtime(), paused_runtime());
    let mut request = Box::pin(layer.layer(Api::default()).oneshot(Request::new(())));
    assert!(first.block_on(poll_immediate(&mut request)).is_none());
    assert_eq!(layer.tokens().status().waiting, 1);
    // From here on nothing drives the first one: neither the fetch nor the timer.
    let response = second.block_on(within_a_minute(request)).unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(error(&response).kind(), ErrorKind::Timeout);
}

#[test]
fn a_probe_that_moves_to_another_runtime_takes_its_timer_along() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    let (first, second) = (paused_runtime(), paused_runtime());
    let mut probe = Box::pin(cache.token());
    first.block_on(async {
        let token = cache.token().await.unwrap();
        tokens.fail("down");
        cache.report_rejected(&token);
        settle().await;
        // The renewal has failed. The probe waits for a second for a request that
        // shows that the token is good all the same.
        assert!(poll_immediate(&mut probe).await.is_none());
    });
    let error = second.block_on(within_a_minute(&mut probe)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenService);
}

/// What it resolves to, instead of hanging the test.
async fn within_a_minute<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, future).await.expect("it hangs")
}

#[test]
fn whoever_waited_for_runtimes_that_died_is_told_when_to_come_back() {
    let tokens = Tokens::new();
    tokens.hang();
    let service = layer(&tokens).layer(Api::default());
    let live = paused_runtime();
    let send = || Box::pin(service.clone().oneshot(Request::new(())));
    let mut waiting = send();
    for _ in 0..4 {
        let dying = paused_runtime();
        let leader = dying.spawn(send());
        dying.block_on(settle());
        // It joins the fetch of each, and is not asked between two of them.
        assert!(live.block_on(poll_immediate(&mut waiting)).is_none());
        drop(dying);
        drop(leader);
    }
    // Both the one who waited for four of them, and the one who comes then.
    for request in [waiting, send()] {
        let response = live.block_on(request).unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error(&response).kind(), ErrorKind::Runtime);
        // A second, or more by as much as the runtimes' clocks differ.
        let seconds = response.headers().get("retry-after").unwrap();
        assert!(seconds.to_str().unwrap().parse::<u32>().unwrap() >= 1);
    }
    // Over a shared store, the others find the lease of the first.
    assert_eq!(tokens.exchanges(), alone_or_shared(4, 1));
}

#[test]
fn a_request_on_a_runtime_that_has_shut_down_is_told_when_to_come_back() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let gone = paused_runtime();
    let handle = gone.handle().clone();
    drop(gone);
    let response = {
        let _entered = handle.enter();
        service.clone().oneshot(Request::new(())).now_or_never()
    };
    let response = response.expect("it waits for what is gone").unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    // It holds up the others for that second, and no longer.
    let live = paused_runtime();
    let response = live.block_on(async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        service.oneshot(Request::new(())).await.unwrap()
    });
    assert_eq!(sent(&response), "t1");
}
