//! A thousand tenants, each with a layer and credentials of its own: all start at
//! once, and then nothing happens for a minute. Beside layers that share no token
//! service.
//!
//! The token endpoint is a server on loopback, in a runtime of its own, which counts
//! connections. It speaks plain HTTP: what TLS costs for each exchange is not in the
//! figures, but loading the platform's trust store is.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "support/mod.rs"]
mod support;

use std::alloc::System;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fiskil_auth::{Credentials, FiskilAuthLayer, HttpsTokenService};
use futures_util::future::try_join_all;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{is_quick, median};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tower::limit::ConcurrencyLimit;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Exchanges = ConcurrencyLimit<HttpsTokenService>;

/// Of the endpoint.
const EXCHANGE: Duration = Duration::from_millis(50);
/// At a time, by all tenants together.
const EXCHANGES: usize = 100;

fn main() {
    let (rounds, tenants, alone, idle) = match is_quick() {
        true => (1, 20, 2, Duration::from_millis(100)),
        false => (5, 1_000, 200, Duration::from_secs(60)),
    };
    let serving = Runtime::new().unwrap();
    let endpoint = Endpoint::serve(&serving);
    let runtime = Runtime::new().unwrap();
    println!("exchanges of {EXCHANGE:?}, {EXCHANGES} at a time; medians of {rounds} rounds");

    let start = |name: &str, tenants, service: &dyn Fn() -> Exchanges| {
        let rounds = (0..rounds).map(|_| runtime.block_on(start(tenants, service)));
        report(&format!("{tenants} tenants, {name}"), rounds);
    };
    start("one token service", tenants, &endpoint.shared());
    start("one token service", alone, &endpoint.shared());
    start("a token service for each", alone, &|| endpoint.service());

    runtime.block_on(rest(tenants, &endpoint, idle));
}

/// What it takes until each of so many tenants has its token.
async fn start(tenants: usize, service: &dyn Fn() -> Exchanges) -> Duration {
    let from = Instant::now();
    let layers: Vec<_> = (0..tenants).map(|n| tenant(n, service())).collect();
    all_get_a_token(&layers).await;
    from.elapsed()
}

/// What so many tenants hold that have their tokens and do nothing.
async fn rest(tenants: usize, endpoint: &Endpoint, idle: Duration) {
    let exchanges = endpoint.service();
    // The shared TLS set-up is there before.
    all_get_a_token(&[tenant(tenants, exchanges.clone())]).await;
    endpoint.most.store(0, Ordering::SeqCst);
    let region = Region::new(ALLOCATOR);
    let layers: Vec<_> = (0..tenants).map(|n| tenant(n, exchanges.clone())).collect();
    all_get_a_token(&layers).await;
    tokio::time::sleep(idle).await;
    let stats = region.change();
    let bytes = (stats.bytes_allocated as f64 - stats.bytes_deallocated as f64) / tenants as f64;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let (open, most) = (endpoint.open(), endpoint.most.load(Ordering::SeqCst));
    println!("{tenants} tenants that have done nothing for {idle:?}");
    println!("    bytes for each       {bytes:8.0}");
    println!("    tasks of them all    {tasks:8}");
    println!("    open connections     {open:8}, at the start {most}");
}

fn tenant(n: usize, exchanges: Exchanges) -> FiskilAuthLayer {
    let credentials = Credentials::new(format!("tenant-{n}"), format!("secret-{n}"));
    FiskilAuthLayer::with_token_service(credentials, exchanges)
}

async fn all_get_a_token(layers: &[FiskilAuthLayer]) {
    let tokens = layers.iter().map(|layer| layer.tokens());
    let tokens = tokens.map(|tokens| tokio::spawn(async move { tokens.token().await.map(drop) }));
    for token in try_join_all(tokens).await.unwrap() {
        token.unwrap();
    }
}

fn report(name: &str, rounds: impl Iterator<Item = Duration>) {
    let millis = median(rounds.map(|took| took.as_secs_f64() * 1e3));
    println!("    {name:42} {millis:8.0} ms");
}

/// A token endpoint that counts connections.
struct Endpoint {
    base: String,
    connections: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Endpoint {
    fn serve(runtime: &Runtime) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (connections, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (open, highest) = (connections.clone(), most.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let open = open.clone();
                highest.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let answer = service_fn(answer);
                    let served =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                    let _ = served.await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            base,
            connections,
            most,
        }
    }

    /// A token service of its own for each who asks.
    fn service(&self) -> Exchanges {
        let service = HttpsTokenService::with_base_url(self.base.as_str()).unwrap();
        ConcurrencyLimit::new(service, EXCHANGES)
    }

    /// The same for all, as the page on tenants has it.
    fn shared(&self) -> impl Fn() -> Exchanges + use<> {
        let service = self.service();
        move || service.clone()
    }

    fn open(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer<B>(_: http::Request<B>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    tokio::time::sleep(EXCHANGE).await;
    // As long as Fiskil's are.
    let token = format!(r#"{{"token":"{}","expires_in":900}}"#, "x".repeat(350));
    Ok(http::Response::new(Full::from(token)))
}
