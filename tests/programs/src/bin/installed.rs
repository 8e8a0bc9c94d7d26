//! A provider of the program's own making, installed for the process, and no
//! other in this crate: one cipher suite, which the server finds agreed on.

use std::process::ExitCode;

use fiskil_auth::{ErrorKind, FiskilAuthLayer};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use programs::server::{self, SUITE};
use programs::{Outcome, end_users, run};
use rustls::crypto::{CryptoProvider, ring};
use tower::{Layer, ServiceExt};

fn main() -> ExitCode {
    run(server::serve, program)
}

async fn program(base: String) -> Outcome<()> {
    let layer = FiskilAuthLayer::from_env()?;
    let error = layer
        .tokens()
        .token()
        .await
        .expect_err("there is no provider yet");
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("install"), "{error}");

    let own = CryptoProvider {
        cipher_suites: vec![SUITE],
        ..ring::default_provider()
    };
    own.install_default().expect("one was installed");
    let layer = FiskilAuthLayer::from_env()?;
    let installed = CryptoProvider::get_default().expect("none is installed");
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(installed.as_ref().clone())?
        .https_only()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let status = layer
        .layer(client)
        .oneshot(end_users(&base))
        .await?
        .status();
    println!("installed: {status}");
    Ok(())
}
