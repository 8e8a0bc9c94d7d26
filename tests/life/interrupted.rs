//! Fetches that are cut short, and tokens that are.

use std::time::Duration;

use fiskil_auth::Token;
use http::{Request, StatusCode};
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt};

use crate::SECOND;
use crate::support::{Api, Tokens, layer, paused_runtime};

/// As synchronous wrappers do it. With one reason to hold back for all, 5 to 7 %
/// of the requests failed: a background renewal that died with its runtime paused
/// the fetch that a request without a token could have run itself.
#[test]
fn a_runtime_for_each_request_costs_no_request_with_tokens_of_a_few_seconds() {
    let tokens = Tokens::new();
    tokens.answer(|n| async move {
        sleep(SECOND / 20).await;
        Ok::<_, BoxError>(Token::new(format!("t{n}"), 8 * SECOND)?)
    });
    let layer = layer(&tokens);
    let api = Api::default();
    // Ten requests a second for ten minutes. Each runtime has a clock of its own,
    // which starts at the real time.
    for n in 0..6000 {
        let status = paused_runtime().block_on(async {
            tokio::time::advance(n * SECOND / 10).await;
            let service = layer.layer(api.clone());
            let response = service.oneshot(Request::new(())).await.unwrap();
            response.status()
        });
        assert_eq!(status, StatusCode::OK, "request {n}");
    }
    assert_eq!(tokens.most_running(), 1);
    // Each token is used for 7.2 s at least: 84 of them. In its last seconds, from
    // 4.8 s on at the earliest, a renewal a second is started and lost.
    let (fetched, fetches) = (layer.tokens().status().generation, tokens.exchanges());
    assert!((80..=84).contains(&fetched), "{fetched}");
    assert!(fetches <= 84 * 4, "{fetches}");
}

/// Where an invalidation counted as a failure, 18 % of the requests failed, for
/// up to 26 s in a row.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_invalidated_every_59_seconds_is_replaced_each_time_at_once() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND / 10);
    let layer = layer(&tokens);
    let cache = layer.tokens();
    for n in 0..3600_u32 {
        let service = layer.layer(Api::default());
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "request {n}");
        if n % 59 == 58 {
            cache.invalidate(&cache.token().await.unwrap());
        }
        sleep(SECOND).await;
    }
    assert_eq!(tokens.exchanges(), 1 + 3600 / 59);
}

/// Whoever invalidates each token at once is given one a second, and an error in
/// between.
#[tokio::test(start_paused = true)]
async fn whoever_invalidates_every_token_at_once_makes_a_fetch_a_second() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    for _ in 0..6000 {
        if let Ok(token) = cache.token().await {
            cache.invalidate(&token);
        }
        sleep(Duration::from_millis(10)).await;
    }
    // The second one is not held back.
    let exchanges = tokens.exchanges();
    assert!((50..=62).contains(&exchanges), "{exchanges}");
}
