//! A layer in use for some seconds of real time, by threads whose runtimes come
//! and go: no request fails while the token endpoint is healthy.
//!
//! Guarantees 1 (single flight), 2 (no caller cancels or starves a fetch), 5 (a 401
//! concerns its token only) and 13 (nothing is left behind).
//!
//! Run by CI; by hand with `cargo test --test soak -- --include-ignored`.
//!
//! Mutations caught: a background renewal that is lost with its runtime and holds
//! requests back; a rejected token that is dropped; a task that ends nothing when
//! it is dropped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use fiskil_auth::{Error, FiskilAuthLayer, Token};
use http::{Request, Response, StatusCode};
use support::{Tokens, layer};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use tower::{BoxError, Layer, ServiceExt, service_fn};

/// How long the threads go on.
const SPAN: Duration = Duration::from_secs(8);

const PATIENT: u64 = 6;

#[test]
#[ignore = "takes ten seconds"]
fn runtimes_that_come_and_go_cost_no_request_while_the_endpoint_is_healthy() {
    let tokens = Tokens::new();
    let kept = Arc::new(());
    let probe = kept.clone();
    tokens.answer(move |n| {
        let probe = probe.clone();
        async move {
            let _probe = probe;
            sleep(Duration::from_millis(Rng::with_seed(n.into()).u64(5..60))).await;
            // Used for 1.8 s, and renewed from 1.2 s on.
            Ok::<_, BoxError>(Token::new(format!("t{n}"), Duration::from_secs(2))?)
        }
    });
    let layer = layer(&tokens);
    let start = Instant::now();
    let sent: u32 = thread::scope(|scope| {
        let patient = (0..PATIENT).map(|seed| {
            let layer = &layer;
            scope.spawn(move || use_patiently(layer, Rng::with_seed(seed)))
        });
        let patient: Vec<_> = patient.collect();
        scope.spawn(|| use_impatiently(&layer));
        patient
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert!(sent > 500, "{sent}");
    assert_eq!(tokens.most_running(), 1);
    let (status, seconds) = (layer.tokens().status(), start.elapsed().as_secs());
    assert_eq!((status.waiting, status.failures), (0, 0));
    // A token a second at most, two fetches a second that are lost, and what the
    // denied route may ask for.
    let most = 3 * (seconds + 1) + 10;
    assert!((5..=most).contains(&status.fetches), "{}", status.fetches);
    drop((layer, tokens));
    assert_eq!(Arc::strong_count(&kept), 1, "nothing is left behind");
}

/// One runtime after the other, each for a few requests. All of them succeed.
fn use_patiently(layer: &FiskilAuthLayer, mut rng: Rng) -> u32 {
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < SPAN {
        let runtime = runtime(&mut rng);
        for _ in 0..rng.u32(1..20) {
            let is_denied = rng.u8(..20) == 0;
            let status = runtime.block_on(send(layer.clone(), is_denied));
            match is_denied {
                true => assert_eq!(status, StatusCode::UNAUTHORIZED),
                false => assert_eq!(status, StatusCode::OK),
            }
            sent += 1;
        }
        match rng.bool() {
            true => drop(runtime),
            false => runtime.shutdown_background(),
        }
    }
    sent
}

/// Runtimes that go away in the middle of a request, and of the fetch that it waits
/// for, if there is one.
fn use_impatiently(layer: &FiskilAuthLayer) {
    let (start, mut rng) = (Instant::now(), Rng::with_seed(99));
    while start.elapsed() < SPAN {
        let runtime = runtime(&mut rng);
        let span = Duration::from_millis(rng.u64(..5));
        let _ = runtime.block_on(async {
            let refresh = layer.tokens();
            let refresh = async move { refresh.refresh().await };
            timeout(span, refresh).await
        });
        drop(runtime);
        // Three in a row are more than a request has to put up with.
        thread::sleep(Duration::from_millis(500));
    }
}

fn runtime(rng: &mut Rng) -> Runtime {
    let mut builder = match rng.bool() {
        true => Builder::new_current_thread(),
        false => Builder::new_multi_thread(),
    };
    builder.worker_threads(2).enable_time().build().unwrap()
}

/// What the API answers, which denies one route.
async fn send(layer: FiskilAuthLayer, is_denied: bool) -> StatusCode {
    let api = service_fn(move |_: Request<()>| async move {
        sleep(Duration::from_millis(1)).await;
        let mut response = Response::new(());
        if is_denied {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok::<_, Infallible>(response)
    });
    let response = layer.layer(api).oneshot(Request::new(())).await.unwrap();
    let error = response.extensions().get::<Error>();
    assert!(error.is_none(), "{error:?}");
    response.status()
}
