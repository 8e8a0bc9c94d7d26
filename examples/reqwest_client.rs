//! The layer on reqwest, whose requests and responses convert to and from http's.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add http reqwest rustls
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! With `FISKIL_CLIENT_ID`, and `FISKIL_CLIENT_SECRET` or `FISKIL_CLIENT_SECRET_FILE` set
//! (and `FISKIL_BASE_URL`, if you like) it talks to Fiskil; otherwise to a sandbox over
//! HTTPS on loopback. For production, leave out `--features sandbox` and the part of `main`
//! for the sandbox.

use std::time::Duration;

use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuthLayer, error_for_auth};
use http::{Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const FISKIL: &str = "https://api.fiskil.com";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // For a reqwest without a TLS provider of its own (`rustls-no-provider`).
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let client = Client::builder()
        // Of a whole request, its body included. The layer waits for a token for 10 s at most.
        .timeout(Duration::from_secs(30))
        // Redirects would be followed beneath the layer. Fiskil's API has none.
        .redirect(Policy::none());
    if std::env::var_os("FISKIL_CLIENT_ID").is_some() {
        let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
        return run(FiskilAuthLayer::from_env()?, client.build()?, &base).await;
    }
    // The sandbox.
    println!("FISKIL_CLIENT_ID is not set: a sandbox stands in for Fiskil");
    let server = Sandbox::new().serve_https().await?;
    let certificate = Certificate::from_pem(server.certificate_pem().as_bytes())?;
    let client = client.tls_certs_only([certificate]).build()?;
    run(server.layer(), client, &server.base_url()).await
}

async fn run(layer: FiskilAuthLayer, client: Client, base: &str) -> Result<(), BoxError> {
    // reqwest as a service for http's requests. This is all the glue it takes.
    let http = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let response = client.execute(request.try_into()?).await?;
            Ok::<Response<Body>, BoxError>(response.into())
        }
    });
    let api = ServiceBuilder::new()
        .layer(layer)
        .service(http)
        .map_result(error_for_auth)
        .map_response(|response| reqwest::Response::from(response.map(Body::wrap)));

    let base = base.trim_end_matches('/');
    let request = Request::get(format!("{base}/v1/end-users")).body(Body::default())?;
    let response = api.oneshot(request).await?;
    // From here on it is a reqwest response.
    let response = response.error_for_status()?;
    let status = response.status();
    let end_users = response.text().await?;
    println!("{status}: {end_users}");
    assert!(end_users.starts_with('['), "a list of end users");
    Ok(())
}
