//! A hundred requests at once, an expiry, and a revoked token.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! otherwise to a sandbox over HTTPS on loopback. Exits with an error if
//! anything did not happen as it says.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fiskil_auth::sandbox::{HttpsSandbox, Sandbox};
use fiskil_auth::{Credentials, FiskilAuth, FiskilAuthLayer, TokenCache, TokenClient};
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls_platform_verifier::BuilderVerifierExt;
use tower::{ServiceBuilder, ServiceExt};

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An HTTPS client with the token on every request, and where it sends them.
struct Api {
    client: FiskilAuth<HttpsClient>,
    base: String,
    tokens: TokenCache,
}

#[tokio::main]
async fn main() -> ExitCode {
    println!("\nfiskil-auth quickstart");
    let outcome = match std::env::var_os("FISKIL_CLIENT_ID") {
        Some(_) => with_fiskil().await,
        None => with_sandbox().await,
    };
    match outcome {
        Ok(()) => {
            println!("\nAll of it happened.\n");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("    ✗ {error}");
            let causes = std::iter::successors(error.source(), |&cause| cause.source());
            causes.for_each(|cause| println!("      because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

/// The real thing: one line, and every request carries a valid token.
async fn with_fiskil() -> Outcome<()> {
    println!("FISKIL_CLIENT_ID is set: this is https://api.fiskil.com.");
    let layer = FiskilAuthLayer::new(Credentials::from_env()?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .build();
    let api = Api {
        tokens: layer.tokens(),
        client: ServiceBuilder::new()
            .layer(layer)
            .service(Client::builder(TokioExecutor::new()).build(https)),
        base: "https://api.fiskil.com".to_owned(),
    };

    step(1, "100 requests at once, and no token yet");
    burst(&api).await?;

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

/// The same client, with a sandbox in Fiskil's place.
async fn with_sandbox() -> Outcome<()> {
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::from_secs(8));
    sandbox.set_latency(Duration::from_millis(50));
    let server = sandbox.serve_https().await?;
    println!(
        "FISKIL_CLIENT_ID is not set: a sandbox at {} stands in.",
        server.base_url()
    );
    let api = sandbox_client(&sandbox, &server)?;

    step(1, "100 requests at once, and no token yet");
    burst(&api).await?;
    check(
        sandbox.counts().exchanges == 1,
        "Fiskil saw one token exchange",
    )?;

    step(
        2,
        "requests go on past the token's expiry: it lives for 8 s",
    );
    let (requests, waits) = steady(&api, Duration::from_secs(9)).await?;
    println!("    {requests} × 200 OK");
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

fn sandbox_client(sandbox: &Sandbox, server: &HttpsSandbox) -> Outcome<Api> {
    let token_client =
        TokenClient::new(server.client()).endpoint(format!("{}/v1/token", server.base_url()))?;
    let layer = FiskilAuthLayer::with_token_service(sandbox.credentials(), token_client)
        .allow_origin(server.base_url())?;
    Ok(Api {
        tokens: layer.tokens(),
        client: ServiceBuilder::new().layer(layer).service(server.client()),
        base: server.base_url(),
    })
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
    println!("    100 answers after {} ms", from.elapsed().as_millis());
    check(
        statuses.iter().all(|status| *status == StatusCode::OK),
        "all are 200 OK",
    )?;
    check(
        api.tokens.status().fetches == 1,
        "one token exchange served them all",
    )
}

/// A request every 20 ms for some time: how many there were, and how many had
/// to wait for a token.
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

fn step(number: u32, text: &str) {
    println!("\n {number}. {text}");
}

/// Says what happened, or fails because it did not.
fn check(happened: bool, what: &str) -> Outcome<()> {
    if !happened {
        return Err(format!("this did not happen: {what}").into());
    }
    println!("    ✓ {what}");
    Ok(())
}
