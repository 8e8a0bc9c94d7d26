//! A hundred requests at once, an expiry, and a revoked token.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! otherwise to a sandbox over HTTPS on loopback. Exits with an error if
//! anything did not happen as it says.
#![allow(clippy::print_stdout)]

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{FiskilAuth, TokenCache};
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use support::{Fiskil, HttpsClient, Outcome, check, step};
use tower::{ServiceBuilder, ServiceExt};

/// An HTTPS client with the token on every request, and where it sends them.
struct Api {
    client: FiskilAuth<HttpsClient<Full<Bytes>>>,
    base: String,
    tokens: TokenCache,
}

#[tokio::main]
async fn main() -> ExitCode {
    println!("\nfiskil-auth quickstart");
    let outcome = run().await;
    match outcome {
        Ok(()) => {
            println!("\nAll of it happened.\n");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("  ✗ {error}");
            let causes = std::iter::successors(error.source(), |&cause| cause.source());
            causes.for_each(|cause| println!("    because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let fiskil = Fiskil::from_env().await?;
    let layer = fiskil.layer(fiskil.credentials()?)?;
    let api = Api {
        tokens: layer.tokens(),
        client: ServiceBuilder::new()
            .layer(layer)
            .service(fiskil.https_client()?),
        base: fiskil.base_url(),
    };
    match fiskil.sandbox() {
        None => with_fiskil(&api).await,
        Some(sandbox) => with_sandbox(&api, sandbox).await,
    }
}

/// The real one's tokens neither expire in seconds nor are revoked on demand.
async fn with_fiskil(api: &Api) -> Outcome<()> {
    step(1, "100 requests at once, and no token yet");
    burst(api).await?;

    step(2, "the token is renewed while requests go on");
    api.tokens.refresh().await?;
    check(
        api.get().await? == StatusCode::OK,
        "the next request succeeds",
    )?;
    check(api.tokens.status().generation == 2, "with the second token")?;

    step(3, "the token is given up");
    api.tokens.invalidate(&api.tokens.token().await?);
    check(
        api.get().await? == StatusCode::OK,
        "the next request succeeds",
    )?;
    check(api.tokens.status().generation == 3, "with the third token")
}

async fn with_sandbox(api: &Api, sandbox: &Sandbox) -> Outcome<()> {
    sandbox.set_lifetime(Duration::from_secs(8));
    sandbox.set_latency(Duration::from_millis(50));

    step(1, "100 requests at once, and no token yet");
    burst(api).await?;
    check(
        sandbox.counts().exchanges == 1,
        "Fiskil saw one token exchange",
    )?;

    step(
        2,
        "requests go on past the token's expiry: it lives for 8 s",
    );
    let (requests, waits) = steady(api, Duration::from_secs(9)).await?;
    println!("  {requests} × 200 OK");
    check(
        sandbox.counts().exchanges == 2,
        "Fiskil saw one more token exchange",
    )?;
    check(waits == 0, "no request had to wait for it")?;

    step(3, "Fiskil revokes the token");
    sandbox.revoke_tokens();
    let revoked = api.get().await?;
    check(
        revoked == StatusCode::UNAUTHORIZED,
        "the next request sees Fiskil's own 401",
    )?;
    check(
        api.get().await? == StatusCode::OK,
        "the one after that succeeds, with a new token",
    )?;
    check(
        sandbox.counts().exchanges == 3,
        "Fiskil saw one more token exchange",
    )
}

impl Api {
    async fn get(&self) -> Outcome<StatusCode> {
        let request = Request::get(format!("{}/v1/end-users", self.base)).body(Full::default())?;
        let response = self.client.clone().oneshot(request).await?;
        // A request that can't be given a token is answered by a response.
        match response.extensions().get::<fiskil_auth::Error>() {
            Some(error) => Err(error.clone().into()),
            None => Ok(response.status()),
        }
    }
}

/// A hundred requests at once.
async fn burst(api: &Api) -> Outcome<()> {
    let from = Instant::now();
    let statuses = try_join_all((0..100).map(|_| api.get())).await?;
    println!("  100 answers after {} ms", from.elapsed().as_millis());
    check(
        statuses.iter().all(|status| *status == StatusCode::OK),
        "all are 200 OK",
    )?;
    check(
        api.tokens.status().fetches == 1,
        "one token exchange served them all",
    )
}

/// Sends a request every 20 ms, and returns how many there were and how many had to
/// wait for a token.
async fn steady(api: &Api, span: Duration) -> Outcome<(u32, u32)> {
    let (mut requests, mut waits) = (0_u32, 0_u32);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let from = Instant::now();
    while from.elapsed() < span {
        ticks.tick().await;
        let waits_now = api.tokens.token().now_or_never().is_none();
        waits = waits.saturating_add(u32::from(waits_now));
        let status = api.get().await?;
        if status != StatusCode::OK {
            return Err(format!("request {requests} was answered {status}").into());
        }
        requests = requests.saturating_add(1);
    }
    Ok((requests, waits))
}
