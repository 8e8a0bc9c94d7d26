//! A worker as it is deployed: it fetches its token before it starts, is probed and
//! scraped, and ends in order.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add axum bytes http http-body-util
//! cargo add hyper --features client,http1
//! cargo add hyper-rustls rustls rustls-platform-verifier
//! cargo add hyper-util --features client-legacy,http1,tokio
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set (and `FISKIL_BASE_URL`, if you
//! like) it talks to Fiskil, otherwise to a sandbox over HTTPS on loopback. It ends by itself after three seconds.

use std::fmt::Write;
use std::future::IntoFuture;
use std::time::Duration;

use axum::extract::State;
use axum::{Router, routing::get};
use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{BoxError, Error, FiskilAuthLayer, ResponseBody, TokenCache, error_for_auth};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{interval, sleep};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

type HttpsClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Incoming>, BoxError>;
type Api = BoxCloneSyncService<Request<Empty<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

/// Fetches the first token. Tries again as long as the failure is transient; another
/// one, such as a wrong secret, is a reason not to start.
async fn warm_up(tokens: &TokenCache) -> Result<(), Error> {
    loop {
        match tokens.token().await {
            Ok(_) => return Ok(()),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => {
                let wait = error.retry_after().unwrap_or(Duration::from_secs(1));
                println!("not yet: {error}");
                sleep(wait).await;
            }
        }
    }
}

/// Stays healthy through an outage of the token endpoint while the token lives.
async fn healthz(State(tokens): State<TokenCache>) -> Result<&'static str, (StatusCode, String)> {
    match tokens.token().await {
        Ok(_) => Ok("ok\n"),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

/// In Prometheus' text format.
async fn metrics(State(tokens): State<TokenCache>) -> String {
    let status = tokens.status();
    let expires_in = status.expires_in.unwrap_or_default().as_secs_f64();
    let mut text = format!("fiskil_token_expires_in_seconds {expires_in}\n");
    for (name, value) in [
        ("fiskil_token_fetches_total", status.fetches),
        ("fiskil_token_fetch_failures_total", status.failures),
        ("fiskil_token_rejections_total", status.rejections),
    ] {
        let _ = writeln!(text, "{name} {value}");
    }
    text
}

/// The work: until it is told to stop, and never in the middle of a request.
async fn work(api: Api, base: String, mut stop: watch::Receiver<()>) {
    let mut pace = interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = pace.tick() => {}
        }
        match end_users(&api, &base).await {
            Ok(answer) => println!("{answer}"),
            // Another attempt follows anyway.
            Err(error) => println!("failed: {error}"),
        }
    }
}

async fn end_users(api: &Api, base: &str) -> Result<String, BoxError> {
    let request = Request::get(format!("{base}/v1/end-users")).body(Empty::new())?;
    let response = api.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(format!("end users: {status}, {} bytes", body.len()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::new();
    // The token endpoint restarts just now.
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    let server = sandbox.serve_https().await?;
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
    let api = ServiceBuilder::new()
        .map_result(error_for_auth)
        .layer(layer)
        .service(client);

    warm_up(&tokens).await?;
    println!("ready");

    let (stop, stopped) = watch::channel(());
    let probes = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .with_state(tokens.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("probes at http://{}/healthz", listener.local_addr()?);
    let mut stop_probes = stopped.clone();
    let probes = axum::serve(listener, probes).with_graceful_shutdown(async move {
        let _ = stop_probes.changed().await;
    });
    let probes = tokio::spawn(probes.into_future());
    let work = tokio::spawn(work(BoxCloneSyncService::new(api), base, stopped));

    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = sleep(Duration::from_secs(3)) => {}
    }
    // What is under way is finished, and nothing is left to close: no token is
    // renewed while nobody asks for one.
    stop.send(())?;
    work.await?;
    probes.await??;
    println!("\nin the end:\n{}", metrics(State(tokens)).await);
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
