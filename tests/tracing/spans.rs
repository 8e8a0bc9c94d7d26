//! The span of a fetch: what it tells, whose it is, and who sees it.

use std::time::Duration;

use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{FiskilAuthLayer, TokenClient};
use http::{Request, StatusCode};
use tower::{Layer, ServiceExt};
use tracing::{Instrument, Level, info_span};
use tracing_subscriber::filter::LevelFilter;

use crate::log::{Log, Seen, SeenSpan};
use crate::support::{Api, Tokens, layer, runtime, settle};

fn span(seen: &Seen) -> &SeenSpan {
    let span = seen.span.as_ref().unwrap();
    assert_eq!((span.name, &*span.target), ("token fetch", "fiskil_auth"));
    span
}

/// A layer whose tokens come from a sandbox at this address.
fn at(sandbox: &Sandbox, endpoint: &str) -> FiskilAuthLayer {
    let client = TokenClient::new(sandbox.service());
    let client = client.endpoint(endpoint).unwrap();
    FiskilAuthLayer::with_token_service(sandbox.credentials(), client)
}

#[tokio::test(start_paused = true)]
async fn it_has_the_reason_the_client_id_and_the_origin_of_the_endpoint() {
    let (log, _guard) = Log::new();
    for (endpoint, origin) in [
        (
            "https://api.fiskil.com/v1/token",
            "https://api.fiskil.com:443",
        ),
        (
            "https://Proxy.Example:8443/v1/token",
            "https://proxy.example:8443",
        ),
        ("http://127.0.0.1:3000/v1/token", "http://127.0.0.1:3000"),
    ] {
        let sandbox = Sandbox::new();
        let cache = at(&sandbox, endpoint).tokens();
        cache.token().await.unwrap();
        sandbox.fail_exchanges(Fault::Status(StatusCode::FORBIDDEN));
        cache.refresh().await.unwrap_err();
        let [fetched, failed] = log.take_all().try_into().unwrap();
        for (seen, reason) in [(fetched, "first"), (failed, "forced")] {
            assert_eq!(seen.field("reason"), reason);
            let span = span(&seen);
            assert_eq!(span.field("reason"), reason);
            assert_eq!(span.field("client_id"), sandbox.credentials().client_id());
            assert_eq!(span.field("endpoint"), origin);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_rotation_in_the_middle_of_a_fetch_it_has_the_client_id_that_counts() {
    let (log, _guard) = Log::new();
    let sandbox = Sandbox::new();
    let before = sandbox.credentials();
    let after = sandbox.rotate_credentials();
    let asked = std::sync::atomic::AtomicU32::new(0);
    let id = after.client_id().to_owned();
    let provider = move || {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let pair = if first { before.clone() } else { after.clone() };
        async { Ok::<_, fiskil_auth::BoxError>(pair) }
    };
    let client = TokenClient::new(sandbox.service());
    let layer = FiskilAuthLayer::with_token_service(provider, client);
    layer.tokens().token().await.unwrap();
    assert_eq!(span(&log.take()).field("client_id"), id);
}

#[tokio::test(start_paused = true)]
async fn it_follows_from_the_span_of_the_request_that_started_it_and_is_not_in_it() {
    let (log, _guard) = Log::new();
    let service = layer(&Tokens::new()).layer(Api::default());
    let request = service.oneshot(Request::new(()));
    request
        .instrument(info_span!("the caller's"))
        .await
        .unwrap();
    let seen = log.take();
    assert_eq!(span(&seen).follows, ["the caller's"]);
    assert_eq!(span(&seen).parent, None);
}

#[tokio::test(start_paused = true)]
async fn every_event_of_a_fetch_is_in_its_span_whoever_finds_out() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.hang();
    // The deadline, found out by the fetch itself.
    layer(&tokens).tokens().token().await.unwrap_err();
    let seen = log.take();
    assert_eq!(seen.field("kind"), "Timeout");
    assert_eq!(span(&seen).field("client_id"), "client-id");
}

#[test]
fn an_overdue_fetch_and_a_lost_one_are_reported_in_their_spans_too() {
    let (log, _guard) = Log::new();
    let tokens = Tokens::new();
    tokens.hang();
    let layer = layer(&tokens);
    // Nothing drives the runtime of the fetch: somebody else finds out, in a span
    // that has nothing to do with it.
    let (stalled, live) = (
        crate::support::paused_runtime(),
        crate::support::paused_runtime(),
    );
    let cache = layer.tokens();
    let leader = stalled.spawn(async move { cache.token().await });
    stalled.block_on(settle());
    let follower = layer.tokens();
    let follower = async move { follower.token().await };
    let follower = follower.instrument(info_span!("another request's"));
    live.block_on(follower).unwrap_err();
    let seen = log.take();
    assert_eq!(
        (seen.field("kind"), span(&seen).field("reason")),
        ("Timeout", "first")
    );
    drop((stalled, leader));
    drop(log.take_all());

    let dying = runtime();
    let other = crate::support::layer(&tokens);
    let cache = other.tokens();
    let waiting = dying.spawn(async move { cache.token().await });
    dying.block_on(settle());
    drop((dying, waiting));
    let seen = log.take();
    assert_eq!(seen.field("message"), "token fetch lost its runtime");
    assert_eq!(span(&seen).field("client_id"), "client-id");
}

#[tokio::test(start_paused = true)]
async fn whoever_sees_warnings_only_sees_the_span_of_a_failure() {
    let (log, _guard) = Log::at(LevelFilter::WARN);
    let sandbox = Sandbox::new();
    let cache = at(&sandbox, "https://api.fiskil.com/v1/token").tokens();
    cache.token().await.unwrap();
    assert!(log.all().is_empty());
    let retry_after = Duration::from_secs(60);
    sandbox.fail_exchanges(Fault::RateLimit { retry_after });
    cache.refresh().await.unwrap_err();
    let seen = log.take();
    assert_eq!(seen.level, Level::WARN);
    assert_eq!(
        span(&seen).field("client_id"),
        sandbox.credentials().client_id()
    );
    assert_eq!(span(&seen).field("endpoint"), "https://api.fiskil.com:443");
}
