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
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set (and `FISKIL_BASE_URL`, if you
//! like) it talks to Fiskil, otherwise to a sandbox over HTTPS on loopback.

use bytes::Bytes;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuthLayer, error_for_auth};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

type HttpsClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Incoming>, BoxError>;

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

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = Sandbox::new().serve_https().await?;
    let (layer, client, base) = match std::env::var_os("FISKIL_CLIENT_ID") {
        Some(_) => {
            let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
            (FiskilAuthLayer::from_env()?, https_client()?, base)
        }
        None => {
            let client = BoxCloneSyncService::new(server.client());
            (server.layer(), client, server.base_url())
        }
    };
    let tokens = layer.tokens();

    // One layer around the client, and no request needs to know of tokens. The last
    // line is for code that wants a missing token to be an `Err`.
    let mut api = ServiceBuilder::new()
        .layer(layer)
        .service(client)
        .map_result(error_for_auth);

    for n in 1..=3 {
        let request = Request::get(format!("{base}/v1/end-users"))
            .header("x-fiskil-version", "v2")
            .body(Empty::new())?;
        let response = api.ready().await?.call(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("request {n}: {status}, {} bytes", body.len());
        assert!(status.is_success(), "it carried a valid token");
    }
    let fetches = tokens.status().fetches;
    println!("{fetches} exchange of credentials served all three");
    assert_eq!(fetches, 1);
    Ok(())
}
