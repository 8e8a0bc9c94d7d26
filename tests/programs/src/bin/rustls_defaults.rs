//! hyper over rustls with all the defaults, which leave the provider to rustls.

use std::process::ExitCode;

use fiskil_auth::FiskilAuthLayer;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use programs::{Outcome, end_users, run, serve};
use tower::{Layer, ServiceExt};

fn main() -> ExitCode {
    run(serve, program)
}

async fn program(base: String) -> Outcome<()> {
    // Both panic as soon as a second provider is compiled in.
    let _ = rustls::ClientConfig::builder();
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_only()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);

    let service = FiskilAuthLayer::from_env()?.layer(client);
    let status = service.oneshot(end_users(&base)).await?.status();
    println!("rustls' defaults: {status}");
    Ok(())
}
