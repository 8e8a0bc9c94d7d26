//! The token endpoint is down for three seconds while there is no token, under a
//! thousand requests a second: how often it is asked, how long a request waits,
//! and how soon the first one succeeds again.
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

use std::time::{Duration, Instant};

use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, Token, TokenRequest};
use load::{PER_SECOND, Sent, answer, send};
use support::{is_quick, median};
use tokio::time::sleep;
use tower::{Layer, service_fn};

const OUTAGE: Duration = Duration::from_secs(3);
const EXCHANGE: Duration = Duration::from_millis(50);

/// Long enough for the third exchange, whatever the jitter: it follows waits of 1
/// and 2 s, each stretched by up to a quarter, and the exchanges themselves.
const SPAN: Duration = Duration::from_secs(5);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let rounds = if is_quick() { 1 } else { 5 };
    println!(
        "{PER_SECOND} requests/s, no token, token endpoint down for {OUTAGE:?}; {rounds} rounds"
    );
    let mut results = Vec::new();
    for _ in 0..rounds {
        let layer = down_for(OUTAGE);
        let sent = send(&layer.layer(service_fn(answer)), SPAN).await;
        results.push((sent, layer.tokens().status().fetches));
    }
    let fetches = results.iter().map(|(_, fetches)| *fetches).max();
    println!("    exchanges, at most           {:8}", fetches.unwrap());
    let all = || results.iter().flat_map(|(sent, _)| sent);
    let waits = all().filter(|sent| sent.waited).map(|sent| sent.took);
    println!(
        "    longest wait                 {:8.1} ms",
        millis(waits.max())
    );
    let refused = |sent: &[Sent]| {
        let (answered, _): (Vec<_>, Vec<_>) = sent.iter().partition(|sent| !sent.waited);
        median(answered.iter().map(|sent| sent.took.as_secs_f64() * 1e6))
    };
    let refused = median(results.iter().map(|(sent, _)| refused(sent)));
    println!("    answer without a wait        {refused:8.1} µs");
    let healed = results.iter().map(|(sent, _)| {
        let first = sent
            .iter()
            .find(|sent| sent.ok)
            .map(|sent| sent.at + sent.took);
        millis(first) - millis(Some(OUTAGE))
    });
    println!(
        "    first success after the end  {:8.1} ms, at most",
        healed.fold(f64::NAN, f64::max)
    );
}

fn millis(span: Option<Duration>) -> f64 {
    span.map_or(f64::NAN, |span| span.as_secs_f64() * 1e3)
}

fn down_for(span: Duration) -> FiskilAuthLayer {
    let began = Instant::now();
    let tokens = service_fn(move |_: TokenRequest| async move {
        sleep(EXCHANGE).await;
        match began.elapsed() < span {
            true => Err(BoxError::from("down")),
            false => Ok(Token::new("t", Duration::from_secs(900))?),
        }
    });
    FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens)
}
