//! Fifty processes of a fleet share one token over a Redis, while tokens are
//! revoked, processes die, the Redis dies and the token endpoint is down.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features redis,sandbox
//! cargo add bytes futures-util http http-body-util
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! Each process is a layer of its own. The Redis is that at `REDIS_URL`, or a
//! `redis-server` that is started for it; Fiskil is a sandbox in this process.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{BoxError, FiskilAuth, FiskilAuthLayer, SharedTokens, TokenCache, TokenClient};
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt};

const PROCESSES: u64 = 50;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    println!("\nfiskil-auth, one token for a fleet of {PROCESSES}\n");
    let mut redis = Redis::find()?;
    let sandbox = Sandbox::new();
    sandbox.set_latency(Duration::from_millis(300));
    let fleet = Fleet::new(&sandbox, &redis.url)?;

    step(1, "Deployed: all start at once");
    let from = Instant::now();
    fleet.all_get_a_token().await?;
    println!("  ready after {} ms", from.elapsed().as_millis());
    fleet.check_exchanges(1)?;

    step(2, "The token is revoked: all meet a 401");
    sandbox.revoke_tokens();
    fleet.requests().await;
    let answers = fleet.requests().await;
    let is_ok = answers.iter().all(|status| *status == StatusCode::OK);
    check(is_ok, "the next request of each is answered with 200")?;
    fleet.check_exchanges(2)?;

    step(3, "A process dies while it exchanges");
    sandbox.revoke_tokens();
    sandbox.fail_next_exchanges(1, Fault::Hang);
    let (dying, heirs) = (Fleet::new(&sandbox, &redis.url)?, &fleet);
    let tokens = dying.processes.first().ok_or("no process")?.tokens.clone();
    tokens.token().await?;
    let refresh = tokio::spawn(async move { tokens.refresh().await });
    while sandbox.counts().exchanges < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    refresh.abort();
    drop(dying);
    let from = Instant::now();
    heirs.all_refresh().await?;
    println!("  replaced after {} ms", from.elapsed().as_millis());
    fleet.check_exchanges(4)?;

    step(
        4,
        "The token endpoint is down, and five more processes start",
    );
    sandbox.fail_exchanges(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    let tokens = fleet
        .processes
        .iter()
        .map(|process| process.tokens.refresh());
    let outcomes = join_all(tokens).await;
    check(outcomes.iter().all(Result::is_err), "all are told of it")?;
    fleet.check_exchanges(5)?;
    let answers = fleet.requests().await;
    let is_ok = answers.iter().all(|status| *status == StatusCode::OK);
    check(is_ok, "their requests go on with the token that they have")?;
    let late = Fleet::new(&sandbox, &redis.url)?;
    for process in late.processes.iter().take(5) {
        process.tokens.token().await?;
    }
    check(true, "who starts now gets it, too")?;
    sandbox.heal();

    if let Some(server) = &mut redis.server {
        step(5, "The Redis is killed");
        server.stop();
        tokio::time::sleep(Duration::from_secs(2)).await;
        fleet.all_refresh().await?;
        fleet.check_exchanges(5 + PROCESSES)?;
        println!("  each process made its own: that is what a fleet costs without sharing");

        step(6, "It is started again, empty");
        server.start_again()?;
        fleet.all_refresh().await?;
        fleet.check_exchanges(6 + PROCESSES)?;
    }
    println!();
    Ok(())
}

/// The Redis of the fleet.
struct Redis {
    url: String,
    /// Where it was started for this.
    server: Option<RedisServer>,
}

impl Redis {
    fn find() -> Result<Self, BoxError> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            println!("REDIS_URL is set: the fleet shares its token there.\n");
            return Ok(Self { url, server: None });
        }
        let server = RedisServer::start()?;
        let url = format!("redis://127.0.0.1:{}", server.port);
        println!("REDIS_URL is not set: a redis-server was started at {url}.\n");
        Ok(Self {
            url,
            server: Some(server),
        })
    }
}

/// A `redis-server` on a free port, which ends with this.
struct RedisServer {
    port: u16,
    process: Child,
}

impl RedisServer {
    fn start() -> Result<Self, BoxError> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Self::spawn(port)?;
        Ok(Self { port, process })
    }

    fn start_again(&mut self) -> Result<(), BoxError> {
        self.process = Self::spawn(self.port)?;
        Ok(())
    }

    fn spawn(port: u16) -> Result<Child, BoxError> {
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", ""])
            .stdout(Stdio::null())
            .spawn();
        let process = process.map_err(|_| {
            "REDIS_URL is not set, and there is no redis-server: \
             install one (Debian: apt-get install redis-server, macOS: brew install redis), \
             or set REDIS_URL to redis://host:port"
        })?;
        let from = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if from.elapsed() > Duration::from_secs(10) {
                return Err("the redis-server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Fleet {
    sandbox: Sandbox,
    processes: Vec<Process>,
}

struct Process {
    tokens: TokenCache,
    api: FiskilAuth<fiskil_auth::sandbox::SandboxService>,
}

impl Fleet {
    fn new(sandbox: &Sandbox, url: &str) -> Result<Self, BoxError> {
        // One that no other run of this example uses.
        let namespace = format!("fiskil-auth-example-{}", std::process::id());
        let process = |_| -> Result<Process, BoxError> {
            let tokens = ServiceBuilder::new()
                .layer(SharedTokens::redis(url)?.namespace(namespace.as_str()))
                .service(TokenClient::new(sandbox.service()));
            let layer = FiskilAuthLayer::with_token_service(sandbox.credentials(), tokens);
            Ok(Process {
                tokens: layer.tokens(),
                api: layer.layer(sandbox.service()),
            })
        };
        Ok(Self {
            sandbox: sandbox.clone(),
            processes: (0..PROCESSES)
                .map(process)
                .collect::<Result<_, BoxError>>()?,
        })
    }

    async fn all_get_a_token(&self) -> Result<(), BoxError> {
        let all = self.processes.iter().map(|process| process.tokens.token());
        for token in join_all(all).await {
            token?;
        }
        Ok(())
    }

    async fn all_refresh(&self) -> Result<(), BoxError> {
        let all = self
            .processes
            .iter()
            .map(|process| process.tokens.refresh());
        for token in join_all(all).await {
            token?;
        }
        Ok(())
    }

    /// A request of each process.
    async fn requests(&self) -> Vec<StatusCode> {
        let all = self.processes.iter().map(|process| async {
            let request = Request::get("/v1/end-users").body(Full::<Bytes>::default());
            let Ok(request) = request else {
                return StatusCode::BAD_REQUEST;
            };
            match process.api.clone().oneshot(request).await {
                Ok(response) => response.status(),
                Err(_) => StatusCode::BAD_GATEWAY,
            }
        });
        join_all(all).await
    }

    fn check_exchanges(&self, expected: u64) -> Result<(), BoxError> {
        let exchanges = self.sandbox.counts().exchanges;
        let what = format!("{exchanges} exchanges so far, by all of them");
        check(exchanges == expected, &what)
    }
}

/// Says what happened, or fails if it did not.
fn check(happened: bool, what: &str) -> Result<(), BoxError> {
    if !happened {
        return Err(format!("this did not happen: {what}").into());
    }
    println!("  ✓ {what}");
    Ok(())
}

fn step(number: u32, text: &str) {
    println!("\n {number}. {text}");
}
