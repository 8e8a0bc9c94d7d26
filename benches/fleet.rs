//! Fleets on a Redis, beside the same without sharing: exchanges, commands and
//! bytes, and what the Redis adds to a fetch. Starts a `redis-server`.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "../tests/support/redis_server.rs"]
mod redis_server;
#[path = "support/mod.rs"]
mod support;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fiskil_auth::{BoxError, TokenRequest};
use fiskil_auth::{Credentials, Error, FiskilAuthLayer, SharedTokens, Token, TokenCache};
use futures_util::future::join_all;
use redis_server::RedisServer;
use support::is_quick;
use tokio::time::sleep;
use tower::util::BoxCloneService;
use tower::{Layer, service_fn};

type TokenService = BoxCloneService<TokenRequest, Token, BoxError>;

/// Whether a fleet shares its tokens.
#[derive(Clone, Copy)]
enum Sharing {
    Shared,
    EachAlone,
}

/// A token endpoint that takes 300 ms, and counts.
#[derive(Clone)]
struct Endpoint {
    exchanges: Arc<AtomicUsize>,
    lifetime: Duration,
}

impl Endpoint {
    fn new(lifetime: Duration) -> Self {
        Self {
            exchanges: Arc::default(),
            lifetime,
        }
    }

    fn service(&self) -> TokenService {
        let endpoint = self.clone();
        BoxCloneService::new(service_fn(move |_| {
            let endpoint = endpoint.clone();
            async move {
                let n = endpoint.exchanges.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(300)).await;
                // As long as real ones.
                let value = format!("{n:010}{}", "x".repeat(340));
                Ok(Token::new(value, endpoint.lifetime)?)
            }
        }))
    }

    fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::Relaxed)
    }
}

fn fleet(
    size: usize,
    sharing: Sharing,
    server: &RedisServer,
    endpoint: &Endpoint,
) -> Vec<TokenCache> {
    let process = || {
        let credentials = Credentials::new("client-id", "client-secret");
        match sharing {
            Sharing::EachAlone => {
                FiskilAuthLayer::with_token_service(credentials, endpoint.service())
            }
            Sharing::Shared => {
                let shared = SharedTokens::redis(server.url()).unwrap();
                let tokens = shared.layer(endpoint.service());
                FiskilAuthLayer::with_token_service(credentials, tokens)
            }
        }
    };
    (0..size).map(|_| process().tokens()).collect()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = RedisServer::start();
    cold_starts(&server).await;
    lifetimes(&server).await;
    latency(&server).await;
    throughput(&server).await;
}

async fn cold_starts(server: &RedisServer) {
    let size = if is_quick() { 50 } else { 2000 };
    println!("{size} processes start at once");
    for (name, sharing) in [
        ("shared", Sharing::Shared),
        ("each alone", Sharing::EachAlone),
    ] {
        let () = server.run("FLUSHALL");
        let endpoint = Endpoint::new(Duration::from_secs(900));
        let fleet = fleet(size, sharing, server, &endpoint);
        let times = timed(&fleet, |process| process.token()).await;
        let exchanges = endpoint.exchanges();
        println!("    {name:12} {exchanges:6} exchanges {}", spread(times));
    }
}

async fn lifetimes(server: &RedisServer) {
    // The shortest that are shared well, so that it does not take all day.
    let (sizes, lifetime, lifetimes): (&[usize], _, _) = match is_quick() {
        true => (&[3], 11, 0.2),
        false => (&[1, 10, 100, 1000], 20, 2.0),
    };
    println!("a lifetime of {lifetime} s, for each lifetime, of {lifetimes}");
    for (name, sharing) in [
        ("shared", Sharing::Shared),
        ("each alone", Sharing::EachAlone),
    ] {
        for &size in sizes {
            let () = server.run("FLUSHALL");
            let endpoint = Endpoint::new(Duration::from_secs(lifetime));
            let fleet = fleet(size, sharing, server, &endpoint);
            let before = Traffic::of(server);
            let end = Instant::now() + Duration::from_secs(lifetime).mul_f64(lifetimes);
            join_all(fleet.into_iter().map(|process| {
                tokio::spawn(async move {
                    while Instant::now() < end {
                        process.token().await.unwrap();
                        sleep(Duration::from_millis(500)).await;
                    }
                })
            }))
            .await;
            let traffic = Traffic::of(server).since(&before);
            // What looking at it takes.
            let look = Traffic::of(server);
            let look = Traffic::of(server).since(&look);
            let exchanges = endpoint.exchanges() as f64 / lifetimes;
            let each = |count: u64| count as f64 / lifetimes / size as f64;
            println!(
                "    {name:12} {size:6} processes {exchanges:8.1} exchanges; \
                 for each process {:5.1} commands, {:6.0} B to the Redis, {:6.0} B from it",
                each(traffic.commands),
                each(traffic.received.saturating_sub(look.received)),
                each(traffic.sent.saturating_sub(look.sent)),
            );
        }
    }
}

/// What a Redis adds to a fetch: one that finds the token there.
async fn latency(server: &RedisServer) {
    let rounds = if is_quick() { 20 } else { 3000 };
    let () = server.run("FLUSHALL");
    let endpoint = Endpoint::new(Duration::from_secs(900));
    fleet(1, Sharing::Shared, server, &endpoint)[0]
        .token()
        .await
        .unwrap();
    let mut times = Vec::new();
    for process in fleet(rounds, Sharing::Shared, server, &endpoint) {
        let from = Instant::now();
        process.token().await.unwrap();
        times.push(from.elapsed());
    }
    println!("a fetch that finds the token there, one after the other");
    println!("    {}", spread(times));
}

/// As many fetches as one Redis and two cores for all processes get done.
async fn throughput(server: &RedisServer) {
    let (each, at_once) = if is_quick() { (5, 4) } else { (500, 64) };
    let endpoint = Endpoint::new(Duration::from_secs(900));
    let before = Traffic::of(server);
    let busy = server.run::<String>("INFO cpu");
    let from = Instant::now();
    let crowd = (0..at_once).map(|_| {
        let fleet = fleet(each, Sharing::Shared, server, &endpoint);
        tokio::spawn(async move {
            for process in fleet {
                process.token().await.unwrap();
            }
        })
    });
    join_all(crowd).await;
    let took = from.elapsed().as_secs_f64();
    let busy = cpu(&server.run::<String>("INFO cpu")) - cpu(&busy);
    let commands = Traffic::of(server).since(&before).commands as f64;
    let a_command = busy / commands;
    println!("as many at once as these cores do");
    println!(
        "    {:8.0} fetches a second, a connection for each",
        commands / took
    );
    println!(
        "    {:8.1} µs of the Redis's own processor for each",
        a_command * 1e6
    );
    // A token of 15 minutes, renewed at two thirds of it, and three commands.
    let a_second = 100_000.0 * 3.0 / 600.0;
    println!(
        "    100,000 processes: {a_second:.0} commands a second, {:.1} % of one core",
        a_second * a_command * 100.0
    );
}

/// What went through a Redis so far.
struct Traffic {
    commands: u64,
    received: u64,
    sent: u64,
}

impl Traffic {
    fn of(server: &RedisServer) -> Self {
        let stats: String = server.run("INFO stats");
        let field = |name: &str| {
            let line = stats.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().parse().unwrap()
        };
        Self {
            commands: server.scripts(),
            received: field("total_net_input_bytes:"),
            sent: field("total_net_output_bytes:"),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            commands: self.commands - before.commands,
            received: self.received - before.received,
            sent: self.sent - before.sent,
        }
    }
}

/// The seconds that the server's process has run.
fn cpu(info: &str) -> f64 {
    let field = |name| info.lines().find_map(|line: &str| line.strip_prefix(name));
    let fields = ["used_cpu_sys:", "used_cpu_user:"].map(field);
    fields
        .into_iter()
        .flatten()
        .map(|text| text.trim().parse::<f64>().unwrap())
        .sum()
}

/// How long each took, all at once.
async fn timed<'a, F>(fleet: &'a [TokenCache], fetch: impl Fn(&'a TokenCache) -> F) -> Vec<Duration>
where
    F: Future<Output = Result<Token, Error>>,
{
    let from = Instant::now();
    let each = fleet.iter().map(|process| {
        let fetching = fetch(process);
        async move {
            fetching.await.unwrap();
            from.elapsed()
        }
    });
    join_all(each).await
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    format!(
        "p50 {:7.2} ms, p99 {:7.2} ms, at most {:7.2} ms",
        millis(at(50)),
        millis(at(99)),
        millis(at(100))
    )
}
