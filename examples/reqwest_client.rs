//! The layer on reqwest, whose requests and responses convert to and from http's.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! otherwise to a sandbox over HTTPS on loopback.
#![allow(clippy::print_stdout)]

mod support;

use fiskil_auth::{BoxError, error_for_auth};
use http::{Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Body, Client};
use support::{Fiskil, Outcome, check};
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth on reqwest\n");
    let fiskil = Fiskil::from_env().await?;
    let client = client(&fiskil)?;

    // reqwest as a service for http's requests. This is all the glue it takes.
    let http = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let response = client.execute(request.try_into()?).await?;
            Ok::<Response<Body>, BoxError>(response.into())
        }
    });
    let api = ServiceBuilder::new()
        .layer(fiskil.layer(fiskil.credentials()?)?)
        .service(http)
        .map_result(error_for_auth)
        .map_response(|response| reqwest::Response::from(response.map(Body::wrap)));

    let request = Request::get(format!("{}/v1/end-users", fiskil.base_url()));
    let response = api.oneshot(request.body(Body::default())?).await?;
    // From here on it is a reqwest response.
    let response = response.error_for_status()?;
    let status = response.status();
    let text = response.text().await?;
    println!("  {status}, {} bytes\n", text.len());
    check(
        text.starts_with('['),
        "Fiskil answered with a list of end users",
    )
}

fn client(fiskil: &Fiskil) -> Outcome<Client> {
    // Redirects are followed beneath the layer, with reqwest's own rule for the
    // `Authorization` header. Fiskil's API has none: refuse them.
    Ok(Client::builder()
        .redirect(Policy::none())
        .tls_backend_preconfigured(fiskil.tls()?)
        .build()?)
}
