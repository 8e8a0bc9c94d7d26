//! Credentials that change while requests go on.
//!
//! Guarantees 1 (single flight), 3 (waits are bounded), 4 (nothing expired is
//! sent) and 8 (recovery without a restart).
//!
//! Mutations caught: asking the provider once only, or after any failure, or
//! without end; exchanging the same pair again; telling of the provider's second
//! failure instead of the refusal; a deadline for each exchange; counting the
//! lifetime from the refused exchange; losing the rejected token on the way; a
//! late answer taken, when another exchange is under way or when none is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{
    BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, ProvideCredentials, TokenCache,
    TokenClient, TokenRequest,
};
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use support::{Tokens, paused_runtime};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

/// Returns these pairs one by one, then the last one for ever, and counts.
#[derive(Clone)]
struct Script {
    left: Arc<Mutex<VecDeque<Result<Credentials, &'static str>>>>,
    asked: Arc<Mutex<u32>>,
}

impl Script {
    fn new(pairs: impl IntoIterator<Item = Result<Credentials, &'static str>>) -> Self {
        Self {
            left: Arc::new(Mutex::new(pairs.into_iter().collect())),
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

impl ProvideCredentials for Script {
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        *self.asked.lock().unwrap() += 1;
        let mut left = self.left.lock().unwrap();
        let next = left.pop_front().unwrap();
        if left.is_empty() {
            left.push_back(next.clone());
        }
        next.map_err(Into::into)
    }
}

fn cache(provider: &Script, sandbox: &Sandbox) -> TokenCache {
    let client = TokenClient::new(sandbox.service());
    FiskilAuthLayer::with_token_service(provider.clone(), client).tokens()
}

fn pair(n: u32) -> Credentials {
    Credentials::new(format!("id-{n}"), format!("secret-{n}"))
}

#[tokio::test(start_paused = true)]
async fn a_refused_pair_is_followed_by_the_rotated_one_within_the_same_fetch() {
    for refusal in [
        None,
        Some(StatusCode::UNAUTHORIZED),
        Some(StatusCode::FORBIDDEN),
    ] {
        let sandbox = Sandbox::new();
        let old = sandbox.credentials();
        let new = sandbox.rotate_credentials();
        if let Some(status) = refusal {
            sandbox.fail_next_exchanges(1, Fault::Status(status));
        }
        let provider = Script::new([Ok(old), Ok(new)]);
        let cache = cache(&provider, &sandbox);
        cache.token().await.unwrap();
        assert_eq!((sandbox.counts().exchanges, provider.asked()), (2, 2));
        let status = cache.status();
        assert_eq!((status.fetches, status.failures), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_pair_is_not_exchanged_again() {
    let sandbox = Sandbox::new();
    // Equal values, made apart.
    let provider = Script::new([Ok(pair(1)), Ok(pair(1))]);
    let error = cache(&provider, &sandbox).token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((sandbox.counts().exchanges, provider.asked()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn another_id_or_another_secret_makes_another_pair() {
    for other in [
        Credentials::new("id-1", "secret-2"),
        Credentials::new("id-2", "secret-1"),
    ] {
        let sandbox = Sandbox::new();
        let provider = Script::new([Ok(pair(1)), Ok(other)]);
        cache(&provider, &sandbox).token().await.unwrap_err();
        assert_eq!(sandbox.counts().exchanges, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_with_a_new_pair_each_time_costs_two_exchanges() {
    let sandbox = Sandbox::new();
    let provider = Script::new((0..10).map(|n| Ok(pair(n))));
    let error = cache(&provider, &sandbox).token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((sandbox.counts().exchanges, provider.asked()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn other_failures_do_not_ask_the_provider_again() {
    for status in [400, 404, 408, 429, 500, 503, 302] {
        let sandbox = Sandbox::new();
        sandbox.fail_exchanges(Fault::Status(StatusCode::from_u16(status).unwrap()));
        let provider = Script::new([Ok(pair(1)), Ok(sandbox.credentials())]);
        cache(&provider, &sandbox).token().await.unwrap_err();
        assert_eq!(
            (sandbox.counts().exchanges, provider.asked()),
            (1, 1),
            "{status}"
        );
    }
    // A custom token service's error does not say that it is a refusal.
    let tokens = Tokens::new();
    tokens.fail("401 Unauthorized");
    let provider = Script::new([Ok(pair(1)), Ok(pair(2))]);
    let layer = FiskilAuthLayer::with_token_service(provider.clone(), tokens.clone());
    layer.tokens().token().await.unwrap_err();
    assert_eq!((tokens.exchanges(), provider.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_another_pair_the_refusal_is_the_error() {
    let bad = Credentials::new("", "");
    for second in [Err("vault is sealed"), Ok(bad)] {
        let sandbox = Sandbox::new();
        let provider = Script::new([Ok(pair(1)), second]);
        let error = cache(&provider, &sandbox).token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.error_id().is_some());
        assert_eq!(sandbox.counts().exchanges, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn both_exchanges_share_one_deadline_and_all_who_wait_share_the_outcome() {
    let sandbox = Sandbox::new();
    sandbox.set_latency(Duration::from_secs(6));
    let old = sandbox.credentials();
    let provider = Script::new([Ok(old), Ok(sandbox.rotate_credentials())]);
    let cache = cache(&provider, &sandbox);
    let start = Instant::now();
    for outcome in join_all((0..100).map(|_| cache.token())).await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
    }
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(sandbox.counts().exchanges, 2);
}

#[tokio::test(start_paused = true)]
async fn the_lifetime_counts_from_the_exchange_that_brought_the_token() {
    let sandbox = Sandbox::new();
    sandbox.set_latency(Duration::from_secs(4));
    sandbox.set_lifetime(Duration::from_secs(100));
    let old = sandbox.credentials();
    let provider = Script::new([Ok(old), Ok(sandbox.rotate_credentials())]);
    let cache = cache(&provider, &sandbox);
    cache.token().await.unwrap();
    // Its lifetime, less the margin and the time that its exchange took.
    let left = cache.status().expires_in.unwrap();
    assert_eq!(left.as_secs_f64().round(), 100.0 - 10.0 - 4.0);
}

#[tokio::test(start_paused = true)]
async fn both_exchanges_say_which_token_was_rejected() {
    let sandbox = Sandbox::new();
    let rejected = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let (sandbox, rejected) = (sandbox.clone(), rejected.clone());
        service_fn(move |request: TokenRequest| {
            rejected.lock().unwrap().push(request.rejected.is_some());
            TokenClient::new(sandbox.service()).oneshot(request)
        })
    };
    let old = sandbox.credentials();
    let provider = Script::new([Ok(old.clone()), Ok(old), Ok(pair(2))]);
    let cache = FiskilAuthLayer::with_token_service(provider.clone(), service).tokens();
    cache.invalidate(&cache.token().await.unwrap());
    sandbox.rotate_credentials();
    cache.token().await.unwrap_err();
    assert_eq!(*rejected.lock().unwrap(), [false, true, true]);
}

/// A fetch that is given up is aborted, and its answer lost, unless it is
/// being polled at that moment. Here its thread hangs in the poll.
#[test]
fn the_late_answer_to_an_exchange_that_was_given_up_replaces_no_token() {
    for late_after_the_second in [false, true] {
        // Passed once the first exchange is in its poll, and again to let it end.
        let gate = Arc::new(Barrier::new(2));
        let (finish, finished) = watch::channel(late_after_the_second);
        let tokens = Tokens::new();
        let held = gate.clone();
        tokens.answer(move |n| {
            let (held, mut finished) = (held.clone(), finished.clone());
            async move {
                if n == 1 {
                    held.wait();
                    held.wait();
                } else {
                    finished.wait_for(|finished| *finished).await.unwrap();
                }
                Ok(support::token(n))
            }
        });
        let provider = Script::new([Ok(pair(1)), Ok(pair(2))]);
        let cache = FiskilAuthLayer::with_token_service(provider, tokens).tokens();
        let (stalled, live) = (paused_runtime(), paused_runtime());
        let (one, other) = (cache.clone(), cache.clone());
        let first = std::thread::spawn(move || stalled.block_on(one.token()));
        gate.wait();
        live.block_on(async {
            assert_eq!(cache.token().await.unwrap_err().kind(), ErrorKind::Timeout);
            tokio::time::advance(Duration::from_secs(2)).await;
        });
        let second = live.spawn(async move { other.token().await });
        live.block_on(support::settle());
        let known = |generation| {
            let status = cache.status();
            assert_eq!((status.fetches, status.failures), (2, 1));
            assert_eq!(status.generation, generation);
        };
        known(late_after_the_second.into());
        // The first gets its answer at last, and its runtime ends.
        gate.wait();
        assert_eq!(first.join().unwrap().is_ok(), late_after_the_second);
        known(late_after_the_second.into());
        finish.send_replace(true);
        let value = |token: fiskil_auth::Token| token.header_value().clone();
        live.block_on(async {
            assert_eq!(value(second.await.unwrap().unwrap()), "Bearer t2");
            assert_eq!(value(cache.token().await.unwrap()), "Bearer t2");
        });
        known(1);
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_fails_while_credentials_are_rotated_again_and_again() {
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::from_secs(60));
    let provider = {
        let sandbox = sandbox.clone();
        move || {
            let pair = sandbox.credentials();
            async { Ok::<_, BoxError>(pair) }
        }
    };
    let client = TokenClient::new(sandbox.service());
    let layer = FiskilAuthLayer::with_token_service(provider, client);
    let service = layer.layer(sandbox.service());
    for second in 0..600 {
        if second % 90 == 0 {
            sandbox.rotate_credentials();
        }
        let request = Request::get("/v1/end-users").body(Full::<Bytes>::default());
        let answer = service.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{second}");
        assert!(answer.extensions().get::<Error>().is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(sandbox.counts().exchanges <= 600 / 36 + 1);
    assert_eq!(layer.tokens().status().failures, 0);
}
