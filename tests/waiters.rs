//! What a request holds while it waits for a token.
//!
//! Guarantee 14 (bytes per waiter). With all that belongs to it: 256 B for its
//! task, 224 B for the request itself, 112 B for its timer, the rest for the wait.
//! Measured: 773 B, in debug and release builds.
//!
//! The inner service's future is boxed, as hyper-util's and tonic's are: it has
//! its place in the task from the start, and a large one counts in full.
//!
//! Mutation caught: 32 bytes more in each wait.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod support;

use std::alloc::System;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use http::{Request, Response};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{Api, Tokens, layer, sent};
use tower::{Layer, Service, ServiceExt};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WAITERS: usize = 10_000;

/// README.md states it.
const BYTES_PER_WAITER: usize = 800;

// The only test of its binary: nothing else allocates meanwhile.
#[tokio::test(start_paused = true)]
async fn a_request_that_waits_takes_less_than_800_bytes() {
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let layer = layer(&tokens);
    let service = layer.layer(Api::default().map_future(FutureExt::boxed));
    let mut tasks = Vec::with_capacity(WAITERS);

    let region = Region::new(ALLOCATOR);
    for _ in 0..WAITERS {
        tasks.push(tokio::spawn(send(service.clone())));
    }
    // The paused clock moves only once they all wait.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(layer.tokens().status().waiting, WAITERS);
    let stats = region.change();
    let bytes = (stats.bytes_allocated - stats.bytes_deallocated) / WAITERS;
    assert!(bytes <= BYTES_PER_WAITER, "{bytes}");

    for token in join_all(tasks).await {
        assert_eq!(token.unwrap(), "t1");
    }
}

async fn send<S, B>(mut service: S) -> String
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    sent(&service.call(Request::new(())).await.unwrap()).to_owned()
}
