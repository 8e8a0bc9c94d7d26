//! One service that is called again and again, as a client does that keeps it: it
//! holds on to the token between its calls, and follows it all the same.
//!
//! Guarantees 4 (nothing expired or invalidated is sent) and 5 (a 401 concerns its
//! token only).
//!
//! Mutations caught: a token that is sent for as long as the service holds on to
//! it, or that a renewal, an invalidation or a rejection does not reach there.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fiskil_auth::{FiskilAuth, FiskilAuthLayer};
use http::{Request, StatusCode};
use support::{Api, Tokens, layer, sent, settle, token};
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt};

struct Client {
    tokens: Tokens,
    layer: FiskilAuthLayer,
    api: Api,
    service: FiskilAuth<Api>,
}

impl Client {
    /// A service that has been called often enough to hold on to `t1`.
    async fn with_t1() -> Self {
        let (tokens, api) = (Tokens::new(), Api::default());
        let layer = layer(&tokens);
        let service = layer.layer(api.clone());
        let mut client = Self {
            tokens,
            layer,
            api,
            service,
        };
        client.sends("t1").await;
        client
    }

    /// Its requests carry this token.
    async fn sends(&mut self, token: &str) {
        for _ in 0..3 {
            let service = self.service.ready().await.unwrap();
            let response = service.call(Request::new(())).await.unwrap();
            assert_eq!(sent(&response), token);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_in_use_sends_the_token_of_a_refresh() {
    let mut client = Client::with_t1().await;
    client.layer.tokens().refresh().await.unwrap();
    client.sends("t2").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_in_use_sends_no_invalidated_token() {
    let mut client = Client::with_t1().await;
    advance(Duration::from_secs(2)).await;
    client.sends("t1").await;
    client.layer.tokens().invalidate(&token(1));
    client.sends("t2").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_in_use_sends_the_token_that_replaces_a_rejected_one() {
    let mut client = Client::with_t1().await;
    client.api.answer(StatusCode::UNAUTHORIZED);
    let service = client.service.ready().await.unwrap();
    let response = service.call(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t1");
    client.api.answer(StatusCode::OK);
    settle().await;
    client.sends("t2").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_in_use_renews_its_token_and_sends_none_that_expired() {
    let mut client = Client::with_t1().await;
    client.tokens.fail("down");
    for _ in 0..2 * 900 {
        advance(Duration::from_millis(500)).await;
        let service = client.service.ready().await.unwrap();
        service.call(Request::new(())).await.unwrap();
        settle().await;
    }
    assert!(client.tokens.exchanges() > 2);
    let before = client.api.seen().len();
    let service = client.service.ready().await.unwrap();
    let response = service.call(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.api.seen().len(), before);
}
