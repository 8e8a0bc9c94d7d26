//! A hundred requests at once, an expiry and a revoked token: what the layer does by
//! itself.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add bytes futures-util http http-body-util
//! cargo add hyper --features client,http1
//! cargo add hyper-rustls rustls rustls-platform-verifier
//! cargo add hyper-util --features client-legacy,http1,tokio
//! cargo add tokio --features full
//! cargo add tower --features timeout,util
//!
//! With `FISKIL_CLIENT_ID`, and `FISKIL_CLIENT_SECRET` or `FISKIL_CLIENT_SECRET_FILE` set
//! (and `FISKIL_BASE_URL`, if you like) it talks to Fiskil; otherwise to a sandbox over
//! HTTPS on loopback, which shows more, as Fiskil's tokens neither expire in seconds nor are
//! revoked on demand.
//!
//! It sends a hundred requests at once: to your real account where these variables are
//! set. For production, leave out `--features sandbox` and all that needs it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuthLayer, ResponseBody, TokenCache, error_for_auth};
use futures_util::future::try_join_all;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::interval;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

type HttpsClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Incoming>, BoxError>;

/// An HTTPS client with the token on every request, and where it sends them.
struct Api {
    client: BoxCloneSyncService<Request<Empty<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>,
    base: String,
    tokens: TokenCache,
}

impl Api {
    fn new(layer: FiskilAuthLayer, client: HttpsClient, base: &str) -> Self {
        let tokens = layer.tokens();
        let client = ServiceBuilder::new()
            // Until an answer begins, the wait for a token included.
            .timeout(Duration::from_secs(30))
            .map_result(error_for_auth)
            .layer(layer)
            .service(client);
        Self {
            client: BoxCloneSyncService::new(client),
            base: base.trim_end_matches('/').to_owned(),
            tokens,
        }
    }

    async fn get(&self) -> Result<StatusCode, BoxError> {
        let request = Request::get(format!("{}/v1/end-users", self.base)).body(Empty::new())?;
        Ok(self.client.clone().oneshot(request).await?.status())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if std::env::var_os("FISKIL_CLIENT_ID").is_some() {
        let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
        let api = Api::new(FiskilAuthLayer::from_env()?, https_client()?, &base);
        return burst(&api).await;
    }
    // The sandbox.
    println!("FISKIL_CLIENT_ID is not set: a sandbox stands in for Fiskil");
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::from_secs(8));
    let server = sandbox.serve_https().await?;
    let client = BoxCloneSyncService::new(server.client());
    let api = Api::new(server.layer(), client, &server.base_url());
    burst(&api).await?;
    expiry(&api, &sandbox).await?;
    revocation(&api, &sandbox).await
}

async fn burst(api: &Api) -> Result<(), BoxError> {
    println!("1. A hundred requests at once, and no token yet");
    let from = Instant::now();
    let statuses = try_join_all((0..100).map(|_| api.get())).await?;
    println!("   100 answers after {} ms", from.elapsed().as_millis());
    assert!(statuses.iter().all(|status| *status == StatusCode::OK));

    let fetches = api.tokens.status().fetches;
    println!("   {fetches} token exchange served them all");
    assert_eq!(fetches, 1);
    Ok(())
}

async fn expiry(api: &Api, sandbox: &Sandbox) -> Result<(), BoxError> {
    println!("2. Requests go on past the token's expiry: it lives for 8 s");
    let mut pace = interval(Duration::from_millis(20));
    let (from, mut slowest) = (Instant::now(), Duration::ZERO);
    while from.elapsed() < Duration::from_secs(9) {
        pace.tick().await;
        let sent = Instant::now();
        assert_eq!(api.get().await?, StatusCode::OK);
        slowest = slowest.max(sent.elapsed());
    }
    println!("   each was answered 200, the slowest after {slowest:?}");
    println!("   {} exchanges so far", sandbox.counts().exchanges);
    assert!(sandbox.counts().exchanges > 1);
    Ok(())
}

async fn revocation(api: &Api, sandbox: &Sandbox) -> Result<(), BoxError> {
    println!("3. Fiskil revokes a token that was fetched just now");
    api.tokens.refresh().await?;
    sandbox.revoke_tokens();
    let (first, second) = (api.get().await?, api.get().await?);
    println!("   the next request is answered {first}, the one after that {second}");
    assert_eq!((first, second), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    Ok(())
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
