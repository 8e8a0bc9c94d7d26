//! What the API's answers do to the token that was sent, and to no other.
//!
//! Guarantees 4 (nothing invalidated is sent), 5 (a 401 concerns its token only)
//! and 6 (the token endpoint is not pressed).
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod grpc;
#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::time::Duration;

use fiskil_auth::{ErrorKind, FiskilAuthLayer};
use http::{Request, Response, StatusCode};
use support::{Api, Tokens, carried, layer, sent, settle, token};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_401_passes_to_the_caller_and_the_next_request_carries_another_token() {
    let (tokens, api) = (Tokens::new(), Api::default());
    let service = layer(&tokens).layer(api.clone());
    api.answer(StatusCode::UNAUTHORIZED);
    let response = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    api.answer(StatusCode::OK);
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t2");
    assert_eq!(tokens.exchanges(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_401s_for_one_token_mean_one_renewal() {
    let tokens = Tokens::new();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let api = service_fn(move |request: Request<()>| {
        let gate = gate.clone();
        async move {
            let first = carried(request.headers()) == "t1";
            let _permit = gate.acquire().await.unwrap();
            let mut response = Response::new(());
            if first {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let service = layer(&tokens).layer(api);
    let requests: Vec<_> = (0..100)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    opened.add_permits(1);
    for request in requests {
        assert_eq!(
            request.await.unwrap().unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(tokens.exchanges(), 2);
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(tokens.exchanges(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_statuses_reject_nothing() {
    for status in [400, 403, 404, 407, 429, 500, 503] {
        let (tokens, api) = (Tokens::new(), Api::default());
        let service = layer(&tokens).layer(api.clone());
        let status = StatusCode::from_u16(status).unwrap();
        api.answer(status);
        for _ in 0..3 {
            let response = service.clone().oneshot(Request::new(())).await.unwrap();
            assert_eq!(response.status(), status);
        }
        settle().await;
        assert_eq!(tokens.exchanges(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_401_to_a_request_without_our_token_rejects_nothing() {
    let (tokens, api) = (Tokens::new(), Api::default());
    let layer = layer(&tokens).pass_other_origins();
    layer.tokens().token().await.unwrap();
    api.answer(StatusCode::UNAUTHORIZED);
    let request = Request::get("https://elsewhere.example/").body(()).unwrap();
    let response = layer.layer(api).oneshot(request).await.unwrap();
    assert_eq!(sent(&response), "nothing");
    settle().await;
    assert_eq!(tokens.exchanges(), 1);
    assert_eq!(layer.tokens().status().rejections, 0);
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_an_inner_layer_is_no_rejection_by_the_api() {
    let (outer, inner) = (Tokens::new(), Tokens::new());
    let refused =
        FiskilAuthLayer::with_token_service(fiskil_auth::Credentials::new("", ""), inner.clone());
    let stack = layer(&outer);
    let service = stack.layer(refused.layer(Api::default()));
    for content_type in ["application/json", "application/grpc"] {
        let request = Request::get("/")
            .header("content-type", content_type)
            .body(())
            .unwrap();
        service.clone().oneshot(request).await.unwrap();
    }
    settle().await;
    assert_eq!(stack.tokens().status().rejections, 0);
    assert_eq!((outer.exchanges(), inner.exchanges()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_always_answers_401_costs_the_others_a_few_waits_and_renewals() {
    for down in [false, true] {
        let tokens = Tokens::new();
        tokens.issue_after(Duration::from_millis(100));
        let api = service_fn(|request: Request<()>| async move {
            let mut response = Response::new(());
            if request.uri().path() == "/odd" {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok::<_, Infallible>(response)
        });
        let service = layer(&tokens).layer(api);
        service.clone().oneshot(Request::new(())).await.unwrap();
        if down {
            tokens.fail("down");
        }
        let mut waits = 0;
        // Ten requests a second for ten minutes, every tenth to the odd route.
        for n in 0..6000_u32 {
            let path = if n % 10 == 0 { "/odd" } else { "/" };
            let request = Request::get(path).body(()).unwrap();
            let from = tokio::time::Instant::now();
            let response = service.clone().oneshot(request).await.unwrap();
            waits += u32::from(!from.elapsed().is_zero());
            if path == "/" {
                assert_eq!(
                    response.status(),
                    StatusCode::OK,
                    "request {n}, down: {down}"
                );
            } else {
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // While the endpoint works: the first token, three renewals at once, one
        // more after five minutes, and the refresh at its age. While it is down,
        // the first one's failure makes it back off: 1, 2, 4, 8 and 16 s, then 24
        // to 30 s, and only as long as the token is suspect at that moment.
        let (most_waits, most_exchanges) = if down { (2, 34) } else { (6, 6) };
        assert!(waits <= most_waits, "{waits}, down: {down}");
        let exchanges = tokens.exchanges();
        assert!(
            (3..=most_exchanges).contains(&exchanges),
            "{exchanges}, down: {down}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_that_is_issued_again_is_not_sent() {
    let tokens = Tokens::new();
    // Two servers behind one address, each with a token of its own.
    tokens.answer(|n| async move { Ok(token(2 - n % 2)) });
    let cache = layer(&tokens).tokens();
    for n in 1..=2 {
        let current = cache.token().await.unwrap();
        assert_eq!(current.header_value(), &format!("Bearer t{n}"));
        cache.invalidate(&current);
        // Longer than the pause before the next fetch.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let error = cache.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidToken);
    assert_eq!(tokens.exchanges(), 3);
}
