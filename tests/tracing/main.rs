//! What the layer's events tell: one for each exchange, and none for a request.
//! With that, guarantee 12 (no secret in any text) for events.
//!
//! Mutations caught: no event for a token; none for an exchange that a waiter
//! found overdue; another target; a level that ignores `is_transient`; a field
//! left out; the generation of the token before; an event for each request; a span
//! of a lower level, one within the caller's, or an event outside of it; a field of
//! it that is not recorded; a rejection or a clearance that is told of twice.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod log;
mod reasons;
mod spans;
#[path = "../support/mod.rs"]
mod support;

use std::fmt;
use std::time::Duration;

use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, Token, TokenClient};
use http::{Request, StatusCode};
use log::Log;
use support::{Api, Tokens, layer, settle};
use tower::{Layer, ServiceExt};
use tracing::Level;

#[tokio::test(start_paused = true)]
async fn a_fetched_token_is_an_info_event_with_how_long_it_took() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_millis(120));
    let cache = layer(&tokens).tokens();
    cache.token().await.unwrap();
    let seen = log.take();
    assert_eq!(seen.level, Level::INFO);
    assert_eq!(seen.field("message"), "token fetched");
    assert_eq!(
        seen.names(),
        [
            "duration_ms",
            "generation",
            "lifetime_s",
            "message",
            "reason",
            "source"
        ]
    );
    let took: u64 = seen.field("duration_ms").parse().unwrap();
    assert!((120..=125).contains(&took), "{took}");
    assert_eq!(seen.field("lifetime_s"), "900");
    assert_eq!(seen.field("reason"), "first");
    assert_eq!(seen.field("source"), "minted");
    assert_eq!(seen.field("generation"), "1");

    cache.refresh().await.unwrap();
    let seen = log.take();
    assert_eq!(seen.field("generation"), "2");
    assert_eq!(seen.field("reason"), "forced");
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_a_warning_with_all_that_fiskil_says() {
    let (log, _guard) = Log::new();
    let sandbox = Sandbox::new();
    let layer = FiskilAuthLayer::with_token_service(
        sandbox.credentials(),
        TokenClient::new(sandbox.service()),
    );
    let retry_after = Duration::from_secs(42);
    sandbox.fail_exchanges(Fault::RateLimit { retry_after });
    let error = layer.tokens().token().await.unwrap_err();
    let seen = log.take();
    assert_eq!(seen.level, Level::WARN);
    assert_eq!(seen.field("message"), "token fetch failed");
    assert_eq!(
        seen.names(),
        [
            "duration_ms",
            "error",
            "error_id",
            "error_name",
            "generation",
            "kind",
            "message",
            "reason",
            "retry_after_s",
            "status"
        ]
    );
    assert_eq!(seen.field("kind"), "Unavailable");
    assert_eq!(seen.field("status"), "429");
    assert_eq!(seen.field("error_id"), error.error_id().unwrap());
    assert_eq!(seen.field("error_name"), error.error_name().unwrap());
    assert_eq!(seen.field("error"), error.to_string());
    // Rounded up, and stretched by a tenth at most.
    let retry_after: u64 = seen.field("retry_after_s").parse().unwrap();
    assert!((42..=47).contains(&retry_after), "{retry_after}");
    assert_eq!(seen.field("generation"), "0");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_an_error_event() {
    let (log, _guard) = Log::new();
    let sandbox = Sandbox::new();
    let wrong = Credentials::new("id", "another-secret");
    let client = TokenClient::new(sandbox.service());
    let layer = FiskilAuthLayer::with_token_service(wrong, client);
    layer.tokens().token().await.unwrap_err();
    let seen = log.take();
    assert_eq!(seen.level, Level::ERROR);
    assert_eq!(seen.field("kind"), "Refused");
    assert_eq!(seen.field("status"), "401");
    assert!(!format!("{seen:?}").contains("another-secret"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_an_answer_has_no_fields_for_one() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.hang();
    layer(&tokens).tokens().token().await.unwrap_err();
    let seen = log.take();
    assert_eq!(seen.level, Level::WARN);
    assert_eq!(seen.field("kind"), "Timeout");
    assert_eq!(
        seen.names(),
        [
            "duration_ms",
            "error",
            "generation",
            "kind",
            "message",
            "reason",
            "retry_after_s"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_failure_has_its_causes() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.answer(|_| async {
        let reset = std::io::Error::other("connection reset");
        Err(std::io::Error::other(reset).into())
    });
    layer(&tokens).tokens().token().await.unwrap_err();
    let seen = log.take();
    assert!(seen.field("cause").ends_with("connection reset"));
}

#[tokio::test(start_paused = true)]
async fn a_cause_whose_display_fails_does_not_silence_the_event() {
    #[derive(Debug)]
    struct Mute;
    impl fmt::Display for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    impl std::error::Error for Mute {}

    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.answer(|_| async { Err(Mute.into()) });
    layer(&tokens).tokens().token().await.unwrap_err();
    assert_eq!(log.take().field("message"), "token fetch failed");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_names_the_token_that_stays_in_use() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    cache.token().await.unwrap();
    log.take();
    tokens.fail("down");
    cache.refresh().await.unwrap_err();
    assert_eq!(log.take().field("generation"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_in_an_outage_log_one_event() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.fail("down");
    let service = layer(&tokens).layer(Api::default());
    for _ in 0..1000 {
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(log.take().level, Level::WARN);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_warm_requests_log_nothing_at_any_level() {
    let (log, _guard) = Log::new();
    let service = layer(&Tokens::new()).layer(Api::default());
    service.clone().oneshot(Request::new(())).await.unwrap();
    log.take();
    for _ in 0..1000 {
        service.clone().oneshot(Request::new(())).await.unwrap();
    }
    assert!(log.all().is_empty());
    assert_eq!(log.foreign(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_a_warning_and_its_renewal_says_why() {
    let (log, _guard) = Log::new();
    let (tokens, api) = (Tokens::new(), Api::default());
    let layer = layer(&tokens);
    let service = layer.layer(api.clone());
    service.clone().oneshot(Request::new(())).await.unwrap();
    log.take();
    api.answer(StatusCode::UNAUTHORIZED);
    service.oneshot(Request::new(())).await.unwrap();
    settle().await;
    let [rejected, fetched] = log.take_all().try_into().unwrap();
    assert_eq!(rejected.level, Level::WARN);
    assert_eq!(rejected.field("message"), "token rejected");
    assert_eq!(
        rejected.names(),
        ["age_s", "generation", "message", "renewal_in_s"]
    );
    assert_eq!(rejected.field("generation"), "1");
    assert_eq!(rejected.field("renewal_in_s"), "0");
    assert_eq!(
        (fetched.level, fetched.field("generation")),
        (Level::INFO, "2")
    );
    assert_eq!(fetched.field("reason"), "rejected");
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_panicking_provider_lacks_the_panics_message() {
    let (log, _guard) = Log::new();
    let provider = || async {
        assert!(std::hint::black_box(false), "secret-in-a-panic");
        Ok::<_, BoxError>(support::credentials())
    };
    let layer = FiskilAuthLayer::with_token_service(provider, Tokens::new());
    layer.tokens().token().await.unwrap_err();
    let seen = log.take();
    assert_eq!(seen.field("kind"), "TokenService");
    assert!(!format!("{seen:?}").contains("secret-in-a-panic"));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_a_failure_without_a_lifetime() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.answer(|_| async { Ok(Token::new("t", Duration::ZERO)?) });
    layer(&tokens).tokens().token().await.unwrap_err();
    let seen = log.take();
    assert_eq!(
        (seen.level, seen.field("kind")),
        (Level::WARN, "InvalidToken")
    );
    assert!(!seen.names().contains(&"lifetime_s"));
}

#[test]
fn a_fetch_that_dies_with_its_runtime_is_a_warning() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.hang();
    let layer = layer(&tokens);
    let runtime = support::runtime();
    let cache = layer.tokens();
    let waiting = runtime.spawn(async move { cache.token().await });
    runtime.block_on(settle());
    drop(runtime);
    drop(waiting);
    let seen = log.take();
    assert_eq!(seen.level, Level::WARN);
    assert_eq!(seen.field("message"), "token fetch lost its runtime");
}
