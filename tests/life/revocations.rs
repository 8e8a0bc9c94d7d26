//! Tokens that are revoked while a thousand requests are at work.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fiskil_auth::FiskilAuthLayer;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, ServiceExt, service_fn};

use crate::SECOND;
use crate::support::{Tokens, carried, layer};

const WORKERS: u32 = 1000;

/// The second time, with a renewal a minute at most, 23,297 callers got a 401.
#[tokio::test(start_paused = true)]
async fn a_second_revocation_five_seconds_later_costs_a_401_to_those_in_flight_only() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND / 5);
    let layer = layer(&tokens);
    // Tokens up to this one are revoked.
    let revoked = Arc::new(AtomicU32::new(0));
    let start = Instant::now();
    let workers = (0..WORKERS).map(|n| tokio::spawn(work(layer.clone(), revoked.clone(), n)));
    let workers: Vec<_> = workers.collect();
    for n in 1..=3 {
        sleep_until(start + n * 5 * SECOND).await;
        revoked.store(n, Ordering::SeqCst);
    }
    for worker in join_all(workers).await {
        let unauthorized = worker.unwrap();
        // Each of the three that could be in flight, and none that was sent later.
        assert!(unauthorized <= 3, "{unauthorized}");
    }
    assert_eq!(tokens.exchanges(), 4);
    assert_eq!(layer.tokens().status().rejections, 3);
}

/// Sends one request after the other for twenty seconds. Returns how many were
/// answered with 401.
async fn work(layer: FiskilAuthLayer, revoked: Arc<AtomicU32>, n: u32) -> u32 {
    let (start, mut unauthorized) = (Instant::now(), 0);
    // Each takes its own time for a way, 100 to 300 ms.
    let way = (1000 + 2 * n) * SECOND / 10_000;
    let api = service_fn(move |request: Request<()>| {
        let revoked = revoked.clone();
        async move {
            sleep(way).await;
            let token: u32 = carried(request.headers())[1..].parse().unwrap();
            let mut response = Response::new(());
            if token <= revoked.load(Ordering::SeqCst) {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            sleep(way).await;
            Ok::<_, Infallible>(response)
        }
    });
    let service = layer.layer(api);
    while start.elapsed() < 20 * SECOND {
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        match response.status() {
            StatusCode::UNAUTHORIZED => unauthorized += 1,
            status => assert_eq!(status, StatusCode::OK),
        }
    }
    unauthorized
}
