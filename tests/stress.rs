//! The token under real threads: whatever they do at once, there is one exchange
//! at a time, nobody hangs, and nothing is left behind.
//!
//! Guarantees 1 (single flight), 2 (no caller cancels or starves a fetch), 3
//! (waits are bounded), 4 (nothing invalidated is sent), 5 (a 401 concerns its
//! token only) and 13 (nothing is left behind).
//!
//! The random choices come from fixed seeds; the threads' timing is free.
//!
//! Mutations caught:
//! - waiters woken before the token is published:
//!   `thousands_of_renewals_follow_one_another`
//! - waiters woken before the end can be seen: a test that hangs
//! - an invalidated token that stays published:
//!   `an_invalidated_token_is_replaced_…`
//! - rejections that wait although renewals are held back, renewals that block:
//!   `rejections_from_many_threads_…`
//! - a task that keeps its cache alive: `layers_that_come_and_go_…`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use fiskil_auth::{Error, FiskilAuthLayer, TokenCache};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use support::{Tokens, alone_or_shared, carried, layer, token};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

/// Far beyond what a test takes on any machine: what takes longer hangs.
const FOREVER: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq)]
enum Mischief {
    /// The API rejects tokens.
    Rejections,
    /// One token is invalidated.
    Invalidation,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rejections_from_many_threads_leave_a_token_in_use() {
    for seed in 0..150 {
        let round = round(seed, Mischief::Rejections);
        timeout(FOREVER, round).await.expect("nobody hangs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invalidated_token_is_replaced_once_for_all_threads() {
    for seed in 0..150 {
        let round = round(seed, Mischief::Invalidation);
        timeout(FOREVER, round).await.expect("nobody hangs");
    }
}

/// One layer's life under twelve tasks.
async fn round(seed: u64, mischief: Mischief) {
    let tokens = Tokens::new();
    issue_after_some_polls(&tokens, seed);
    let layer = layer(&tokens);
    let invalidate = Arc::new(tokio::sync::Semaphore::new(1));
    let tasks = (0..12).map(|task| {
        let (layer, invalidate) = (layer.clone(), invalidate.clone());
        let mut rng = Rng::with_seed(seed * 100 + task);
        tokio::spawn(async move {
            for _ in 0..12 {
                let invalidates = mischief == Mischief::Invalidation && rng.u8(..) < 20;
                if invalidates && let Ok(permit) = invalidate.try_acquire() {
                    permit.forget();
                    invalidated(&layer.tokens()).await;
                } else {
                    let rejects = mischief == Mischief::Rejections && rng.bool();
                    misuse(&layer, rejects, &mut rng).await;
                }
            }
        })
    });
    for task in join_all(tasks.collect::<Vec<_>>()).await {
        task.unwrap();
    }
    all_tasks_end().await;
    assert_eq!(tokens.most_running(), 1, "seed {seed}");
    let status = layer.tokens().status();
    assert_eq!(status.waiting, 0, "seed {seed}");
    assert_eq!(
        status.exchanges,
        u64::from(tokens.exchanges()),
        "seed {seed}"
    );
    // What fails is a renewal that the fleet's budget puts off.
    assert_eq!(
        status.fetches,
        status.exchanges + status.failures,
        "seed {seed}"
    );
    let most = alone_or_shared(0, u64::MAX);
    assert!(status.failures <= most, "seed {seed}");
    assert_eq!(send(&layer, StatusCode::OK, 0).await, StatusCode::OK);
}

/// Sends a request or asks for a renewal, and may drop the future at any point.
async fn misuse(layer: &FiskilAuthLayer, rejects: bool, rng: &mut Rng) {
    let status = match rejects {
        true => StatusCode::UNAUTHORIZED,
        false => StatusCode::OK,
    };
    let polls = rng.usize(..6);
    match rng.u8(..6) {
        0 => {
            polled(polls, send(layer, status, polls)).await;
        }
        1 => {
            let cache = layer.tokens();
            polled(polls, cache.refresh()).await;
        }
        2 => {
            // While fetches are held back, the answer is an error.
            let _ = layer.tokens().refresh().await;
        }
        3 => yield_now().await,
        _ => assert_eq!(send(layer, status, polls).await, status),
    }
}

/// Invalidates the token, and checks that it is not handed out again.
async fn invalidated(cache: &TokenCache) {
    let dead = cache.token().await.unwrap();
    cache.invalidate(&dead);
    for _ in 0..20 {
        let sent = cache.token().await.unwrap();
        assert_ne!(sent.header_value(), dead.header_value());
        yield_now().await;
    }
}

/// Sends a request that the API answers with `status` some polls later.
async fn send(layer: &FiskilAuthLayer, status: StatusCode, polls: usize) -> StatusCode {
    let api = service_fn(move |request: Request<()>| async move {
        assert_ne!(carried(request.headers()), "nothing");
        for _ in 0..polls {
            yield_now().await;
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        Ok::<_, BoxError>(response)
    });
    let response = layer.layer(api).oneshot(Request::new(())).await.unwrap();
    let error = response.extensions().get::<Error>();
    assert!(error.is_none(), "{error:?}");
    response.status()
}

/// Polls `future` that many times, and drops it.
async fn polled<F: Future>(mut polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        cx.waker().wake_by_ref();
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

fn issue_after_some_polls(tokens: &Tokens, seed: u64) {
    tokens.answer(move |n| async move {
        for _ in 0..Rng::with_seed(seed + u64::from(n)).u8(..8) {
            yield_now().await;
        }
        Ok(token(n))
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_renewals_follow_one_another() {
    let tokens = Tokens::new();
    issue_after_some_polls(&tokens, 0);
    let layer = layer(&tokens);
    let tasks = (0..8).map(|_| {
        let layer = layer.clone();
        tokio::spawn(async move {
            let mut last = 0;
            for _ in 0..400 {
                layer.tokens().refresh().await.unwrap();
                let generation = layer.tokens().status().generation;
                assert!(generation > last);
                last = generation;
                assert_eq!(send(&layer, StatusCode::OK, 0).await, StatusCode::OK);
            }
        })
    });
    let tasks = join_all(tasks.collect::<Vec<_>>());
    for task in timeout(FOREVER, tasks).await.expect("nobody hangs") {
        task.unwrap();
    }
    assert_eq!(tokens.most_running(), 1);
    let status = layer.tokens().status();
    assert!(status.fetches >= 400);
    assert_eq!(status.generation, u64::from(tokens.exchanges()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn layers_that_come_and_go_by_the_thousand_leave_nothing_behind() {
    let probe = Arc::new(());
    for seed in 0..2000 {
        let mut rng = Rng::with_seed(seed);
        let (tokens, kept, fate) = (Tokens::new(), probe.clone(), rng.u8(..4));
        tokens.answer(move |n| {
            let kept = kept.clone();
            async move {
                let _kept = kept;
                yield_now().await;
                match fate {
                    0 => std::future::pending().await,
                    1 => Err("down".into()),
                    _ => Ok(token(n)),
                }
            }
        });
        let layer = layer(&tokens);
        drop(tokens);
        for _ in 0..3 {
            let mut service = layer.layer(service_fn(async |_: Request<()>| {
                Ok::<_, BoxError>(Response::new(()))
            }));
            let polls = rng.usize(..5);
            tokio::spawn(polled(polls, async move {
                service.call(Request::new(())).await
            }));
        }
        if rng.bool() {
            yield_now().await;
        }
    }
    all_tasks_end().await;
    assert_eq!(Arc::strong_count(&probe), 1, "no token service is left");
}

/// Waits for the end of all fetches, those without a waiter included.
async fn all_tasks_end() {
    let end = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            yield_now().await;
        }
    };
    timeout(FOREVER, end).await.expect("no task is left");
}
