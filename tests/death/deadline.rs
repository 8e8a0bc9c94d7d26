//! Whatever hangs, a request waits for its token for 10 s and no longer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, Token, TokenRequest};
use http::{Request, StatusCode};
use tokio::time::Instant;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, ServiceExt};

use crate::support::{
    Api, Tokens, credentials, error, layer, layer_over, overdue_after, paused_runtime, sent,
    settle, token,
};

#[test]
fn a_stalled_runtime_holds_up_no_request_beyond_the_deadline() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let stalled = paused_runtime();
    let live = paused_runtime();
    let leader = stalled.spawn(service.clone().oneshot(Request::new(())));
    tokens.hang();
    stalled.block_on(settle());
    // From here on nothing drives the runtime of the fetch.
    tokens.issue_after(Duration::ZERO);
    let waited = live.block_on(async {
        let from = Instant::now();
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(error(&response).kind(), ErrorKind::Timeout);
        from.elapsed()
    });
    assert!(waited <= Duration::from_millis(10_005), "{waited:?}");
    let response = live.block_on(async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        service.oneshot(Request::new(())).await.unwrap()
    });
    assert_eq!(sent(&response), "t2");
    drop(leader);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_provider_that_hangs() {
    let provider = std::future::pending::<Result<Credentials, BoxError>>;
    let layer = layer_over(provider, Tokens::new());
    times_out(layer, 10).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_token_service_that_is_never_ready() {
    let limited = ConcurrencyLimit::new(Tokens::new(), 1);
    let mut holder = limited.clone();
    holder.ready().await.unwrap();
    let layer = layer_over(credentials(), limited);
    times_out(layer.clone(), overdue_after()).await;
    // The fetch that was given up in `poll_ready` kept no permit.
    drop(holder);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let response = layer.layer(Api::default()).oneshot(Request::new(())).await;
    assert_eq!(sent(&response.unwrap()), "t1");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_token_service_that_waits_for_its_own_layer() {
    // The token service needs the very token that it is to fetch.
    let slot: Arc<OnceLock<FiskilAuthLayer>> = Arc::default();
    let own = slot.clone();
    let service = tower::service_fn(move |_: TokenRequest| {
        let service = own.get().unwrap().layer(Api::default());
        async move {
            let response = service.oneshot(Request::new(())).await?;
            match response.extensions().get::<Error>() {
                Some(error) => Err::<Token, BoxError>(error.clone().into()),
                None => Ok(token(1)),
            }
        }
    });
    let layer = layer_over(credentials(), service);
    slot.set(layer.clone()).unwrap();
    times_out(layer, overdue_after()).await;
}

async fn times_out(layer: FiskilAuthLayer, seconds: u64) {
    let from = Instant::now();
    let response = layer
        .layer(Api::default())
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(error(&response).kind(), ErrorKind::Timeout);
    assert_eq!(from.elapsed().as_secs(), seconds);
}
