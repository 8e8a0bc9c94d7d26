//! reqwest with the token on every request, as middleware: `RequestBuilder` and all
//! that it can do stay as they are. A sandbox over HTTPS stands in for Fiskil.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add anyhow async-trait http rustls
//! cargo add reqwest --features query
//! cargo add reqwest-middleware --features query
//! cargo add tokio --features full
#![allow(clippy::print_stdout)]

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{ErrorKind, FiskilAuthLayer, Resend};
use http::Extensions;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Request, Response};
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next};

/// Puts the token on every request, and sends one again whose token was rejected.
struct FiskilMiddleware(FiskilAuthLayer);

#[async_trait]
impl Middleware for FiskilMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        let uri = request.url().to_string();
        let again = request.try_clone(); // None where the body is a stream
        let authorized = self.0.authorize(&*uri, request.headers_mut()).await;
        let authorized = authorized.map_err(Error::middleware)?;
        let response = next.clone().run(request, extensions).await?;
        match (authorized.report(response.status()), again) {
            (Resend::Another, Some(mut again)) => {
                let authorized = self.0.authorize(&*uri, again.headers_mut()).await;
                let authorized = authorized.map_err(Error::middleware)?;
                let response = next.run(again, extensions).await?;
                authorized.report(response.status());
                Ok(response)
            }
            _ => Ok(response),
        }
    }
}

/// Fails if anything did not happen as it says.
#[tokio::main]
pub async fn main() -> Result<()> {
    println!("\nfiskil-auth as middleware of reqwest\n");
    // Only where reqwest was built without a TLS provider, as in this repository.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await?;
    // For Fiskil itself, that is `FiskilAuthLayer::from_env()?` and "https://api.fiskil.com",
    // and its certificate needs no line below.
    let (layer, base) = (server.layer(), server.base_url());

    let client = Client::builder()
        .timeout(Duration::from_secs(30))
        // Fiskil's API has no redirects, and the layer would not see where they go.
        .redirect(Policy::none())
        .add_root_certificate(Certificate::from_pem(server.certificate_pem().as_bytes())?)
        .build()?;
    let client = ClientBuilder::new(client)
        .with(FiskilMiddleware(layer))
        .build();

    let end_users = client
        .get(format!("{base}/v1/end-users"))
        .query(&[("limit", "10")]);
    let again = end_users.try_clone();
    let response = end_users.send().await?;
    println!("  the first request: {}", response.status());
    ensure!(response.status() == 200);

    sandbox.revoke_tokens();
    let response = again.unwrap_or_else(|| client.get(&base)).send().await?;
    println!(
        "  its token was revoked, and the next: {}",
        response.status()
    );
    ensure!(response.status() == 200);
    ensure!(sandbox.counts().unauthorized == 1 && sandbox.counts().issued == 2);

    let requests = sandbox.counts().requests;
    let elsewhere = base.replace("127.0.0.1", "localhost");
    let refused = match client.get(elsewhere).send().await {
        Err(Error::Middleware(error)) => error.downcast::<fiskil_auth::Error>()?,
        answer => bail!("it should have been refused: {answer:?}"),
    };
    println!("  a request for another origin: {refused}");
    ensure!(refused.kind() == ErrorKind::Configuration);
    ensure!(sandbox.counts().requests == requests);
    Ok(())
}
