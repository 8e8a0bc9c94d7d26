//! Ten thousand requests find no token, and the token endpoint takes 50 ms:
//! beside as many tasks that just sleep for 50 ms.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "support/load.rs"]
mod load;
#[path = "support/mod.rs"]
mod support;

use std::alloc::System;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fiskil_auth::{Credentials, FiskilAuthLayer, Token, TokenRequest};
use http::Request;
use load::answer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{is_quick, median};
use tokio::sync::Notify;
use tokio::time::sleep;
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const EXCHANGE: Duration = Duration::from_millis(50);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let (rounds, tasks) = if is_quick() { (1, 100) } else { (9, 10_000) };
    let mut results = Vec::new();
    for _ in 0..rounds {
        let sleeping = time(tasks, || sleep(EXCHANGE)).await;
        let exchanges = Arc::<AtomicUsize>::default();
        let layer = layer(&exchanges);
        let service = layer.layer(service_fn(answer));
        let waiting = time(tasks, || {
            let mut service = service.clone();
            async move { service.call(Request::new(())).await.unwrap() }
        });
        let took = waiting.await;
        results.push((sleeping, took, exchanges.load(Ordering::Relaxed)));
    }
    let exchanges = results.iter().map(|(_, _, exchanges)| *exchanges);
    println!("{tasks} requests without a token, an exchange of 50 ms; medians of {rounds} rounds");
    println!("    exchanges, at most   {:8}", exchanges.max().unwrap());
    report("tasks that sleep", results.iter().map(|round| &round.0));
    report("requests that wait", results.iter().map(|round| &round.1));
    let later = results
        .iter()
        .map(|(sleeping, took, _)| took.millis - sleeping.millis);
    println!("    done later by        {:8.1} ms", median(later));
}

/// What all tasks together took.
struct Took {
    millis: f64,
    /// For each task, while all wait.
    bytes: f64,
}

fn report<'a>(name: &str, took: impl Iterator<Item = &'a Took> + Clone) {
    let millis = median(took.clone().map(|took| took.millis));
    let bytes = median(took.map(|took| took.bytes));
    println!("    {name:20} {millis:8.1} ms {bytes:6.0} B each");
}

async fn time<F>(tasks: usize, mut task: impl FnMut() -> F) -> Took
where
    F: Future<Output: Send> + Send + 'static,
{
    let left = Arc::new((AtomicUsize::new(tasks), Notify::new()));
    let region = Region::new(ALLOCATOR);
    let from = Instant::now();
    for _ in 0..tasks {
        let (task, left) = (task(), left.clone());
        tokio::spawn(async move {
            task.await;
            // Joining ten thousand tasks would cost more than what is measured.
            if left.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                left.1.notify_one();
            }
        });
    }
    // They all wait by now: to start ten thousand takes a few milliseconds.
    sleep(EXCHANGE / 2).await;
    let stats = region.change();
    left.1.notified().await;
    Took {
        millis: from.elapsed().as_secs_f64() * 1e3,
        bytes: (stats.bytes_allocated as f64 - stats.bytes_deallocated as f64) / tasks as f64,
    }
}

fn layer(exchanges: &Arc<AtomicUsize>) -> FiskilAuthLayer {
    let exchanges = exchanges.clone();
    let tokens = service_fn(move |_: TokenRequest| {
        exchanges.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(EXCHANGE).await;
            Token::new("t", Duration::from_secs(900))
        }
    });
    FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens)
}
