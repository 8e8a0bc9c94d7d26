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

mod clock;
mod connections;
mod events;
mod fake;
mod faults;
mod loading;
mod processes;
mod secrecy;
mod sharing;
mod urls;

use std::time::{Duration, Instant};

use fiskil_auth::{Error, FiskilAuthLayer, SharedTokens, TokenCache};
use futures_util::future::join_all;
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

/// Two processes get a token each, by themselves: the store is of no use.
async fn do_without(url: &str) {
    let endpoint = Tokens::new();
    for n in 1..=2 {
        let from = Instant::now();
        assert_eq!(value(&process(url, &endpoint)).await, format!("t{n}"));
        // Two seconds, and what a busy machine adds.
        assert!(
            from.elapsed() < Duration::from_secs(6),
            "{:?}",
            from.elapsed()
        );
    }
}

/// All of these share, from the next fetch on.
async fn share_again(fleet: &[TokenCache], endpoint: &Tokens) {
    let before = endpoint.exchanges();
    let mut tokens = Vec::new();
    for process in fleet {
        tokens.push(read(process.refresh().await));
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert!(endpoint.exchanges() <= before + 1, "{tokens:?}");
}

async fn fleet(url: &str, endpoint: &Tokens) -> Vec<TokenCache> {
    let fleet: Vec<_> = (0..5).map(|_| process(url, endpoint)).collect();
    let tokens = join_all(fleet.iter().map(value)).await;
    assert!(tokens.iter().all(|token| token == "t1"));
    fleet
}

/// Waits until that is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < PATIENCE, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Far more than anything takes here, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
