//! What the token endpoint sees of a fleet of a thousand processes, with and without
//! sharing: a deployment, an hour of life, a revocation and an outage.
//!
//! The clock is paused, so that it passes in a minute. The shared store is the one in
//! memory that the tests have, which is compiled in by a flag:
//! `RUSTFLAGS="--cfg in_memory_fleet" cargo bench --bench fleet_timeline -- --svg docs/fleet.svg`
//! draws it, too. Without the flag, only the fleet that shares nothing runs.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "support/fleet_drawing.rs"]
mod fleet_drawing;
#[path = "support/mod.rs"]
mod support;
#[path = "support/svg.rs"]
mod svg;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox, SandboxBody};
use fiskil_auth::{
    BoxError, FiskilAuthLayer, SharedTokens, Token, TokenClient, TokenRequest, TokenRequestBody,
};
use fleet_drawing::{Panel, Phase, grouped};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use support::is_quick;
use tokio::time::{Instant, sleep, sleep_until};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};

const MINUTE: Duration = Duration::from_secs(60);
const REVOCATION: u32 = 62;
const OUTAGE: (u32, u32) = (70, 75);
const END: u32 = 85;
/// Of each process.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(5);
const EXCHANGE: Duration = Duration::from_millis(400);

type Http = BoxCloneService<Request<TokenRequestBody>, Response<SandboxBody>, BoxError>;
type TokenService = BoxCloneService<TokenRequest, Token, BoxError>;

/// What was seen of one fleet.
#[derive(Default)]
struct Seen {
    posts: Vec<usize>,
    requests: usize,
    /// Answered with 401, as the token had been revoked.
    rejected: usize,
    failed: usize,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let size = if is_quick() { 30 } else { 1000 };
    // The same picture every time.
    fastrand::seed(4);
    let alone = run(size, None).await;
    tell("each alone", &alone);
    let Some(store) = in_memory() else {
        println!("  For the fleet that shares: RUSTFLAGS=\"--cfg in_memory_fleet\".");
        return Ok(());
    };
    let shared = run(size, Some(store)).await;
    tell("shared", &shared);

    let phases = [
        phase("deployment", 0.0, 1.0),
        phase("revocation", REVOCATION.into(), f64::from(REVOCATION) + 1.0),
        phase("endpoint down", OUTAGE.0.into(), OUTAGE.1.into()),
    ];
    let panels = [
        panel("Each process by itself", &alone),
        panel("With SharedTokens", &shared),
    ];
    let title = "What the token endpoint sees of a fleet of 1,000 processes";
    let svg = fleet_drawing::draw(title, &phases, &panels)?;
    if let Some(path) = std::env::args().skip_while(|arg| arg != "--svg").nth(1) {
        std::fs::write(&path, svg)?;
        println!("\ndrawn: {path}");
    }

    let (posts, without) = (total(&shared), total(&alone));
    // One for the deployment, one for the revocation, two a lifetime, and the outage's
    // steps of 1, 2, 4, 8, 16 and then 24 s.
    if posts > 40 || without < size * 10 || shared.failed + alone.failed > 0 {
        return Err(format!("expected otherwise: {posts}, {without}").into());
    }
    Ok(())
}

#[cfg(in_memory_fleet)]
fn in_memory() -> Option<SharedTokens> {
    Some(SharedTokens::in_memory())
}

#[cfg(not(in_memory_fleet))]
fn in_memory() -> Option<SharedTokens> {
    None
}

/// Plays it all with a fleet of that size.
async fn run(size: usize, store: Option<SharedTokens>) -> Seen {
    let sandbox = Sandbox::new();
    sandbox.set_latency(EXCHANGE);
    let from = Instant::now();
    let seen = Arc::new(Mutex::new(Seen {
        posts: vec![0; END as usize],
        ..Seen::default()
    }));
    let exchange = TokenClient::new(counted(&sandbox, &seen, from)).map_err(Into::into);
    let exchange = BoxCloneService::new(exchange);
    let mut fleet = Vec::new();
    for n in 0..size {
        let tokens: TokenService = match &store {
            None => exchange.clone(),
            // A layer for each process: they have nothing in common but the store.
            Some(store) => {
                let shared = store.clone().namespace("fleet").layer(exchange.clone());
                BoxCloneService::new(shared.map_err(Into::into))
            }
        };
        let layer = FiskilAuthLayer::with_token_service(sandbox.credentials(), tokens);
        let (sandbox, seen) = (sandbox.clone(), seen.clone());
        fleet.push(tokio::spawn(async move {
            // All are deployed at once, and then their requests come evenly.
            let mut next = from + BETWEEN_REQUESTS.mul_f64(n as f64 / size as f64);
            layer.tokens().token().await.unwrap();
            while next < from + MINUTE * END {
                sleep_until(next).await;
                let api = layer.layer(sandbox.service());
                let request = Request::get("/v1/end-users");
                let request = request.body(Empty::<Bytes>::new()).unwrap();
                let answer = api.oneshot(request).await.unwrap();
                let mut seen = seen.lock().unwrap();
                seen.requests += 1;
                match answer.status() {
                    StatusCode::OK => {}
                    StatusCode::UNAUTHORIZED => seen.rejected += 1,
                    _ => seen.failed += 1,
                }
                drop(seen);
                next += BETWEEN_REQUESTS;
            }
        }));
    }
    sleep(MINUTE * REVOCATION).await;
    sandbox.revoke_tokens();
    sleep(MINUTE * (OUTAGE.0 - REVOCATION)).await;
    sandbox.fail_exchanges(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    sleep(MINUTE * (OUTAGE.1 - OUTAGE.0)).await;
    sandbox.heal();
    for process in fleet {
        process.await.unwrap();
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

/// The sandbox's token endpoint, with each POST counted.
fn counted(sandbox: &Sandbox, seen: &Arc<Mutex<Seen>>, from: Instant) -> Http {
    let (sandbox, seen) = (sandbox.clone(), seen.clone());
    BoxCloneService::new(service_fn(move |request: Request<TokenRequestBody>| {
        let minute = (from.elapsed().as_secs() / 60) as usize;
        if let Some(posts) = seen.lock().unwrap().posts.get_mut(minute) {
            *posts += 1;
        }
        let answer = sandbox.service().call(request);
        async move { Ok(answer.await?) }
    }))
}

fn total(seen: &Seen) -> usize {
    seen.posts.iter().sum()
}

fn tell(name: &str, seen: &Seen) {
    println!("  {name:<12}{}", summary(seen));
    println!("    by the minute: {:?}", seen.posts);
    println!("    {} answered with another status", seen.failed);
}

fn summary(seen: &Seen) -> String {
    let most = seen.posts.iter().max().copied().unwrap_or_default();
    let [posts, most, requests, rejected] =
        [total(seen), most, seen.requests, seen.rejected].map(grouped);
    format!("{posts} POSTs, {most} in one minute · {requests} requests, {rejected} met a 401")
}

fn panel(name: &'static str, seen: &Seen) -> Panel {
    Panel {
        name,
        summary: summary(seen),
        posts: seen.posts.clone(),
    }
}

fn phase(name: &'static str, from: f64, to: f64) -> Phase {
    let color = match name {
        "endpoint down" => "#e9a82040",
        _ => "#8c959f33",
    };
    Phase {
        name,
        minutes: from..to,
        color,
    }
}
