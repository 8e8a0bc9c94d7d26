//! The layer on reqwest, whose requests and responses convert to and from http's.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add http reqwest rustls
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set (and `FISKIL_BASE_URL`, if you
//! like) it talks to Fiskil, otherwise to a sandbox over HTTPS on loopback.

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

    // Redirects would be followed beneath the layer. Fiskil's API has none.
    let client = Client::builder().redirect(Policy::none());
    let server = Sandbox::new().serve_https().await?;
    let (layer, client, base) = match std::env::var_os("FISKIL_CLIENT_ID") {
        Some(_) => {
            let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
            (FiskilAuthLayer::from_env()?, client.build()?, base)
        }
        None => {
            let certificate = Certificate::from_pem(server.certificate_pem().as_bytes())?;
            let client = client.tls_certs_only([certificate]).build()?;
            (server.layer(), client, server.base_url())
        }
    };

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
