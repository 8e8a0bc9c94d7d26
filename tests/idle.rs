//! No work while idle, and none after the last handle is dropped.
//!
//! Guarantee 13 (no work while idle).
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use fiskil_auth::FiskilAuthLayer;
use http::Request;
use support::{Api, Tokens, layer, settle};
use tokio::runtime::Handle;
use tower::{Layer, ServiceExt};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn making_and_cloning_layers_and_services_starts_nothing() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let services: Vec<_> = (0..100)
        .map(|_| layer.clone().layer(Api::default()))
        .collect();
    settle().await;
    assert_eq!((tasks(), tokens.exchanges()), (0, 0));
    drop(services);
}

#[tokio::test(start_paused = true)]
async fn between_requests_there_is_no_task_and_no_fetch() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    service.clone().oneshot(Request::new(())).await.unwrap();
    settle().await;
    assert_eq!(tasks(), 0);
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert_eq!((tasks(), tokens.exchanges()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_fetch_under_way() {
    let tokens = Tokens::new();
    tokens.hang();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    let request = tokio::spawn(layer.layer(Api::default()).oneshot(Request::new(())));
    settle().await;
    request.abort();
    settle().await;
    drop(layer);
    // The cache is a handle, too, and keeps the fetch running.
    settle().await;
    assert_eq!((tasks(), tokens.running()), (1, 1));
    drop(cache);
    settle().await;
    assert_eq!((tasks(), tokens.running()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_service_is_dropped_with_its_layer() {
    let shared = std::sync::Arc::new(());
    for _ in 0..1000 {
        let held = shared.clone();
        let service = tower::service_fn(move |_| {
            let held = held.clone();
            async move {
                drop(held);
                Ok::<_, fiskil_auth::Error>(support::token(1))
            }
        });
        let layer = FiskilAuthLayer::with_token_service(support::credentials(), service);
        layer
            .layer(Api::default())
            .oneshot(Request::new(()))
            .await
            .unwrap();
    }
    settle().await;
    assert_eq!(std::sync::Arc::strong_count(&shared), 1);
    assert_eq!(tasks(), 0);
}
