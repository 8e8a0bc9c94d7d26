//! Fleets on real Redis servers, which the tests start and break: each needs a
//! `redis-server` on the path.
//!
//! What a fleet does as such is shown in paused time, by the tests of the crate
//! itself; here it is that the same holds over a socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "../support/redis_server.rs"]
mod redis_server;
#[path = "../support/mod.rs"]
mod support;

mod connections;
mod events;
mod fake;
mod faults;
mod processes;
mod secrecy;
mod sharing;
mod urls;

use std::time::Duration;

use fiskil_auth::{Error, FiskilAuthLayer, SharedTokens, TokenCache};
use support::{Tokens, credentials};
use tower::Layer;

/// One process of the fleet that shares tokens at `url`.
fn process(url: &str, endpoint: &Tokens) -> TokenCache {
    process_over(SharedTokens::redis(url).unwrap(), endpoint)
}

fn process_over(shared: SharedTokens, endpoint: &Tokens) -> TokenCache {
    let tokens = shared.layer(endpoint.clone());
    FiskilAuthLayer::with_token_service(credentials(), tokens).tokens()
}

async fn value(process: &TokenCache) -> String {
    read(process.token().await)
}

/// A token's value, without the scheme.
fn read(token: Result<fiskil_auth::Token, Error>) -> String {
    let token = token.unwrap();
    let header = token.header_value().to_str().unwrap();
    header.strip_prefix("Bearer ").unwrap().to_owned()
}

/// Waits until that is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let from = std::time::Instant::now();
    while !is_so() {
        assert!(from.elapsed() < PATIENCE, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Far more than anything takes here, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
