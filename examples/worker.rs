//! A worker as it is deployed: it is probed and scraped, waits for its first token
//! before it works, and ends in order at SIGTERM or Ctrl-C.
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
//! cargo add tracing-subscriber
//!
//! With `FISKIL_CLIENT_ID`, and `FISKIL_CLIENT_SECRET` or `FISKIL_CLIENT_SECRET_FILE` set
//! (and `FISKIL_BASE_URL`, if you like) it talks to Fiskil until it is told to end;
//! otherwise to a sandbox over HTTPS on loopback, for three seconds. For production,
//! leave out `--features sandbox` and the part of `main` for the sandbox.
//!
//! `/ready` is for a readiness probe, `/live` for a liveness probe, `/metrics` for
//! Prometheus.

use std::future::IntoFuture;
use std::pin::{Pin, pin};
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
use tokio::time::{interval, sleep, timeout};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

/// Of a whole request, its wait for a token and its body included. At the end, the
/// platform must wait for longer (`terminationGracePeriodSeconds` in Kubernetes).
const TIMEOUT: Duration = Duration::from_secs(30);

type HttpsClient = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Incoming>, BoxError>;
type Api = BoxCloneSyncService<Request<Empty<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // What the layer logs, such as why there is no token.
    tracing_subscriber::fmt::init();
    let end = told_to_end()?;
    if std::env::var_os("FISKIL_CLIENT_ID").is_some() {
        let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
        return run(FiskilAuthLayer::from_env()?, https_client()?, &base, end).await;
    }
    // The sandbox.
    println!("FISKIL_CLIENT_ID is not set: a sandbox stands in for Fiskil");
    let sandbox = Sandbox::new();
    // The token endpoint restarts just now.
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    let server = sandbox.serve_https().await?;
    let client = BoxCloneSyncService::new(server.client());
    let end = async {
        tokio::select! {
            () = end => {}
            () = sleep(Duration::from_secs(3)) => {}
        }
    };
    run(server.layer(), client, &server.base_url(), end).await
}

async fn run(
    layer: FiskilAuthLayer,
    client: HttpsClient,
    base: &str,
    end: impl Future<Output = ()>,
) -> Result<(), BoxError> {
    let mut end = pin!(end);
    let tokens = layer.tokens();
    let api = ServiceBuilder::new()
        .map_result(error_for_auth)
        .layer(layer)
        .service(client);

    // Probes are answered before there is a token: an outage of the token endpoint is
    // no reason to kill a process that waits for it to pass.
    // Where others probe it, listen on 0.0.0.0 and a port that they know.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("probes at http://{}/ready", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, probes(tokens.clone())).into_future());

    tokio::select! {
        outcome = warm_up(&tokens) => outcome?,
        () = &mut end => return Ok(()),
    }
    println!("ready");
    work(BoxCloneSyncService::new(api), base, end).await;

    // Nothing is left to close: no token is renewed while nobody asks for one.
    println!("\nin the end:\n{}", metrics(State(tokens)).await);
    Ok(())
}

/// Fetches the first token. Tries again as long as the failure is transient; another
/// one, such as a wrong secret, is a reason not to start.
async fn warm_up(tokens: &TokenCache) -> Result<(), Error> {
    loop {
        match tokens.token().await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_transient() => {
                sleep(error.retry_after().unwrap_or(Duration::from_secs(1))).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The work: until it is told to end, and never in the middle of a request.
async fn work(api: Api, base: &str, mut end: Pin<&mut impl Future<Output = ()>>) {
    let mut pace = interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = pace.tick() => {}
        }
        match timeout(TIMEOUT, end_users(&api, base)).await {
            Ok(Ok(answer)) => println!("{answer}"),
            // Another attempt follows anyway.
            Ok(Err(error)) => println!("failed: {error}"),
            Err(_) => println!("failed: no answer within {TIMEOUT:?}"),
        }
    }
}

async fn end_users(api: &Api, base: &str) -> Result<String, BoxError> {
    let base = base.trim_end_matches('/');
    let request = Request::get(format!("{base}/v1/end-users")).body(Empty::new())?;
    let response = api.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(format!("end users: {status}, {} bytes", body.len()))
}

fn probes(tokens: TokenCache) -> Router {
    Router::new()
        .route("/ready", get(ready))
        // Whatever the token does: a restart cures nothing that it can have.
        .route("/live", get(StatusCode::OK))
        .route("/metrics", get(metrics))
        .with_state(tokens)
}

/// Stays ready through an outage of the token endpoint while the token lives. It may wait
/// for a fetch: give the probe a timeout of 11 s.
async fn ready(State(tokens): State<TokenCache>) -> Result<&'static str, (StatusCode, String)> {
    match tokens.token().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))),
    }
}

/// In Prometheus' text format.
async fn metrics(State(tokens): State<TokenCache>) -> String {
    let status = tokens.status();
    let expires_in = status.expires_in.unwrap_or_default();
    format!(
        "fiskil_token_fetches_total {}\n\
         fiskil_token_exchanges_total {}\n\
         fiskil_token_fetch_failures_total {}\n\
         fiskil_token_rejections_total {}\n\
         fiskil_token_expires_in_seconds {}\n\
         fiskil_token_suspect {}\n\
         fiskil_token_pending_requests {}\n",
        status.fetches,
        status.exchanges,
        status.failures,
        status.rejections,
        expires_in.as_secs_f64(),
        u8::from(status.suspect),
        status.waiting,
    )
}

/// Waits for Ctrl-C, or for the SIGTERM that Kubernetes, Docker and systemd send.
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut sigterm = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let sigterm = async move { sigterm.recv().await };
    #[cfg(not(unix))]
    let sigterm = std::future::pending::<()>();
    Ok(async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = sigterm => {}
        }
    })
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
