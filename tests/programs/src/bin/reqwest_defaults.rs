//! reqwest with all its defaults.

use std::process::ExitCode;

use fiskil_auth::FiskilAuthLayer;
use programs::{Outcome, end_users, run, serve};
use reqwest::{Body, Client};
use tower::{Layer, ServiceExt, service_fn};

fn main() -> ExitCode {
    run(serve, program)
}

async fn program(base: String) -> Outcome<()> {
    let client = Client::new();
    let http = service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        async move {
            let response = client.execute(request.try_into()?).await?;
            Outcome::Ok(http::Response::<Body>::from(response))
        }
    });

    let service = FiskilAuthLayer::from_env()?.layer(http);
    let request = end_users(&base).map(|_| Body::default());
    let status = service.oneshot(request).await?.status();
    println!("reqwest's defaults: {status}");
    Ok(())
}
