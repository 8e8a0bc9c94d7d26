//! A service that fetches its token before it takes requests, and refuses to start
//! where that can't work.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! otherwise to a sandbox over HTTPS on loopback.
#![allow(clippy::print_stdout)]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use fiskil_auth::sandbox::Fault;
use fiskil_auth::{Credentials, Error, FiskilAuthLayer, TokenCache};
use http::{Request, StatusCode};
use http_body_util::Empty;
use support::{Fiskil, HttpsClient, Outcome, check};
use tower::{Layer, ServiceExt};

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth, warmed up\n");
    let fiskil = Fiskil::from_env().await?;

    if fiskil.sandbox().is_some() {
        refuse_to_start(&fiskil).await?;
    }

    println!("\n 2. Deployed with the right one, while the token endpoint restarts");
    if let Some(sandbox) = fiskil.sandbox() {
        sandbox.set_latency(Duration::from_millis(80));
        sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    }
    let layer = fiskil.layer(fiskil.credentials()?)?;
    let from = Instant::now();
    warm_up(&layer.tokens()).await?;
    println!("  ready after {} ms", from.elapsed().as_millis());

    println!("\n 3. The first request");
    let fetches = layer.tokens().status().fetches;
    let status = first_request(&fiskil, &layer).await?;
    check(status == StatusCode::OK, "200 OK")?;
    check(
        layer.tokens().status().fetches == fetches,
        "it waited for no exchange: the token was there",
    )
}

async fn refuse_to_start(fiskil: &Fiskil) -> Outcome<()> {
    println!(" 1. Deployed with a wrong secret");
    let id = fiskil.credentials()?.client_id().to_owned();
    let wrong = fiskil.layer(Credentials::new(id, "not-the-secret"))?;
    let from = Instant::now();
    let error = match warm_up(&wrong.tokens()).await {
        Ok(()) => return Err("the wrong secret was accepted".into()),
        Err(error) => error,
    };
    println!("  after {} ms: {error}", from.elapsed().as_millis());
    check(
        !error.is_transient(),
        "it does not start, and does not try again",
    )
}

/// Fetches the first token, and tries again as long as the failure is transient.
async fn warm_up(tokens: &TokenCache) -> Result<(), Error> {
    loop {
        match tokens.token().await {
            Ok(_) => return Ok(()),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => {
                let wait = error.retry_after().unwrap_or(Duration::from_secs(1));
                println!("  not yet: {error}; again in {} ms", wait.as_millis());
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn first_request(fiskil: &Fiskil, layer: &FiskilAuthLayer) -> Outcome<StatusCode> {
    let client: HttpsClient<Empty<Bytes>> = fiskil.https_client()?;
    let request = Request::get(format!("{}/v1/end-users", fiskil.base_url()));
    let response = layer
        .layer(client)
        .oneshot(request.body(Empty::new())?)
        .await?;
    Ok(response.status())
}
