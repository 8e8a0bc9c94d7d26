//! The layer on hyper-util's HTTPS client.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add bytes http http-body-util
//! cargo add hyper --features client,http1
//! cargo add hyper-rustls rustls rustls-platform-verifier
//! cargo add hyper-util --features client-legacy,http1,tokio
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! With `FISKIL_CLIENT_ID`, and `FISKIL_CLIENT_SECRET` or `FISKIL_CLIENT_SECRET_FILE` set
//! (and `FISKIL_BASE_URL`, if you like) it talks to Fiskil; otherwise to a sandbox over
//! HTTPS on loopback. For production, leave out `--features sandbox` and the part of `main`
//! for the sandbox.

use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuthLayer, ResponseBody, error_for_auth};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::timeout;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

/// Of a whole request, its wait for a token and its body included.
const TIMEOUT: Duration = Duration::from_secs(30);

type HttpsClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Incoming>, BoxError>;

type Api = BoxCloneSyncService<Request<Empty<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if std::env::var_os("FISKIL_CLIENT_ID").is_some() {
        let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
        return run(FiskilAuthLayer::from_env()?, https_client()?, &base).await;
    }
    // The sandbox.
    println!("FISKIL_CLIENT_ID is not set: a sandbox stands in for Fiskil");
    let server = Sandbox::new().serve_https().await?;
    let client = BoxCloneSyncService::new(server.client());
    run(server.layer(), client, &server.base_url()).await
}

async fn run(layer: FiskilAuthLayer, client: HttpsClient, base: &str) -> Result<(), BoxError> {
    let tokens = layer.tokens();
    // One layer around the client, and no request needs to know of tokens.
    let api = ServiceBuilder::new()
        // For code that wants a missing token to be an `Err`.
        .map_result(error_for_auth)
        .layer(layer)
        .service(client);
    // A name for its type.
    let api = Api::new(api);

    for n in 1..=3 {
        let answer = timeout(TIMEOUT, end_users(&api, base)).await;
        let (status, body) = answer.map_err(|_| format!("no answer within {TIMEOUT:?}"))??;
        println!("request {n}: {status}, {} bytes", body.len());
        assert!(status.is_success(), "it carried a valid token");
    }
    let fetches = tokens.status().fetches;
    println!("{fetches} exchange of credentials served all three");
    assert_eq!(fetches, 1);
    Ok(())
}

async fn end_users(api: &Api, base: &str) -> Result<(StatusCode, Bytes), BoxError> {
    let base = base.trim_end_matches('/');
    let request = Request::get(format!("{base}/v1/end-users"))
        .header("x-fiskil-version", "v2")
        .body(Empty::new())?;
    let response = api.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, body))
}

fn https_client() -> Result<HttpsClient, BoxError> {
    let tls = ClientConfig::builder()
        .with_platform_verifier()?
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Ok(BoxCloneSyncService::new(client.map_err(BoxError::from)))
}
