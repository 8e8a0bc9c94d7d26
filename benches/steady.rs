//! A thousand requests a second over many expiries of tokens that live for two
//! seconds, beside the same load without the layer. Only the first token is waited
//! for, and that before the load starts.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "support/load.rs"]
mod load;
#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use fiskil_auth::{Credentials, FiskilAuthLayer, Token, TokenRequest};
use load::{PER_SECOND, Sent, answer, micros, send};
use support::{is_quick, median};
use tokio::time::sleep;
use tower::{Layer, service_fn};

const LIFETIME: Duration = Duration::from_secs(2);
const EXCHANGE: Duration = Duration::from_millis(50);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let (rounds, span) = match is_quick() {
        true => (1, LIFETIME / 20),
        false => (5, 5 * LIFETIME),
    };
    println!(
        "{PER_SECOND} requests/s for {span:?}, tokens of {LIFETIME:?}, exchanges of {EXCHANGE:?}"
    );
    println!("{rounds} rounds: sums, and medians of latencies in microseconds");
    let api = service_fn(answer);
    let (mut bare, mut layered, mut fetches) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        bare.push(send(&api, span).await);
        let layer = layer();
        let tokens = layer.tokens();
        tokens.token().await.unwrap();
        layered.push(send(&layer.layer(api), span).await);
        fetches += tokens.status().fetches;
    }
    println!(
        "    {:14} {:>8} {:>7} {:>7} {:>9} {:>7} {:>7}",
        "", "requests", "failed", "waited", "exchanges", "50 %", "99.9 %"
    );
    report("without layer", &bare, 0);
    report("with layer", &layered, fetches);
}

fn report(name: &str, rounds: &[Vec<Sent>], fetches: u64) {
    let all = || rounds.iter().flatten();
    let requests = all().count();
    let failed = all().filter(|sent| !sent.ok).count();
    let waited = all().filter(|sent| sent.waited).count();
    let latency = |part| median(rounds.iter().map(|sent| micros(sent, part)));
    let (half, most) = (latency(500), latency(999));
    println!("    {name:14} {requests:8} {failed:7} {waited:7} {fetches:9} {half:7.1} {most:7.1}");
}

fn layer() -> FiskilAuthLayer {
    let tokens = service_fn(|_: TokenRequest| async {
        sleep(EXCHANGE).await;
        Token::new("t", LIFETIME)
    });
    FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens)
}
