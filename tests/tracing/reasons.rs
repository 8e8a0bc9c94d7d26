//! Why a token was fetched, and what is told of one that was rejected: once.

use std::time::Duration;

use fiskil_auth::FiskilAuthLayer;
use http::{Request, StatusCode};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tracing::Level;

use crate::log::Log;
use crate::support::{Api, Tokens, layer, settle, token};

const SECOND: Duration = Duration::from_secs(1);

async fn send(layer: &FiskilAuthLayer, status: u16) {
    let api = Api::default();
    api.answer(StatusCode::from_u16(status).unwrap());
    let service = layer.layer(api);
    service.oneshot(Request::new(())).await.unwrap();
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_fetched_token_tells_which_of_six_reasons_it_has() {
    let (log, _guard) = Log::new();
    let layer = layer(&Tokens::new());
    let cache = layer.tokens();
    let reason = || {
        let seen = log.take_all();
        let fetched = seen
            .iter()
            .filter(|seen| seen.field("message") == "token fetched");
        let reasons: Vec<_> = fetched
            .map(|seen| seen.field("reason").to_owned())
            .collect();
        reasons.concat()
    };
    send(&layer, 200).await;
    assert_eq!(reason(), "first");
    sleep(720 * SECOND).await;
    send(&layer, 200).await;
    assert_eq!(reason(), "refresh");
    sleep(890 * SECOND).await;
    send(&layer, 200).await;
    assert_eq!(reason(), "expired");
    send(&layer, 401).await;
    assert_eq!(reason(), "rejected");
    cache.invalidate(&cache.token().await.unwrap());
    send(&layer, 200).await;
    assert_eq!(reason(), "invalidated");
    cache.refresh().await.unwrap();
    assert_eq!(reason(), "forced");
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_has_its_reason_too() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    send(&layer, 200).await;
    tokens.fail("down");
    send(&layer, 401).await;
    let seen = log.take_all();
    let [.., failed] = &seen[..] else { panic!() };
    assert_eq!(failed.field("message"), "token fetch failed");
    assert_eq!(failed.field("reason"), "rejected");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_rejected_and_cleared_all_the_time_tells_of_each_once() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    send(&layer, 200).await;
    tokens.fail("down");
    for _ in 0..100 {
        send(&layer, 401).await;
        send(&layer, 401).await;
        send(&layer, 200).await;
        sleep(SECOND / 10).await;
    }
    let seen = log.take_all();
    let count = |message| {
        seen.iter()
            .filter(|seen| seen.field("message") == message)
            .count()
    };
    assert_eq!((count("token rejected"), count("token cleared")), (1, 1));
    let cleared = seen
        .iter()
        .find(|seen| seen.field("message") == "token cleared");
    let cleared = cleared.unwrap();
    assert_eq!(
        (cleared.level, cleared.names()),
        (Level::INFO, vec!["generation", "message"])
    );
    assert_eq!(cleared.field("generation"), "1");
    // The next token tells of its own. For its renewal there is no budget left.
    tokens.issue_after(Duration::ZERO);
    sleep(30 * SECOND).await;
    layer.tokens().refresh().await.unwrap();
    tokens.fail("down");
    log.take_all();
    send(&layer, 401).await;
    send(&layer, 200).await;
    let messages: Vec<_> = log.take_all();
    let messages: Vec<_> = messages.iter().map(|seen| seen.field("message")).collect();
    assert_eq!(messages, ["token rejected", "token cleared"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_value_handed_out_again_is_the_same_token() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.answer(|_| async { Ok(token(1)) });
    let layer = layer(&tokens);
    send(&layer, 200).await;
    for _ in 0..3 {
        send(&layer, 401).await;
        send(&layer, 200).await;
        layer.tokens().refresh().await.unwrap();
    }
    let seen = log.take_all();
    let rejected = seen
        .iter()
        .filter(|seen| seen.field("message") == "token rejected");
    assert_eq!(rejected.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_tells_its_age_and_when_it_is_renewed() {
    let (log, _guard) = Log::new();
    let layer = layer(&Tokens::new());
    send(&layer, 200).await;
    // Three are renewed at once, and the fourth after a second.
    for (renewal, age) in [("0", "100"), ("0", "0"), ("0", "0"), ("1", "0")] {
        log.take_all();
        if age != "0" {
            sleep(100 * SECOND + SECOND / 2).await;
        }
        send(&layer, 401).await;
        let seen = log.take_all();
        let rejected = seen.first().unwrap();
        assert_eq!(rejected.field("message"), "token rejected");
        assert_eq!(rejected.field("renewal_in_s"), renewal);
        // In whole seconds.
        assert_eq!(rejected.field("age_s"), age);
    }
}
