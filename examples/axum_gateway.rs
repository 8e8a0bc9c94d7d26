//! A gateway on axum: internal callers reach Fiskil through it, and none of them needs
//! Fiskil's credentials. It authenticates nobody: whoever reaches it acts as you, so put
//! the authentication of callers above it.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add axum http
//! cargo add hyper --features client,http1
//! cargo add hyper-rustls rustls rustls-platform-verifier
//! cargo add hyper-util --features client-legacy,http1,tokio
//! cargo add tokio --features full
//! cargo add tower --features util
//! cargo add tracing-subscriber
//!
//! With `FISKIL_CLIENT_ID`, and `FISKIL_CLIENT_SECRET` or `FISKIL_CLIENT_SECRET_FILE` set
//! (and `FISKIL_BASE_URL`, if you like) it serves until SIGTERM or Ctrl-C; otherwise it
//! serves a few requests of its own, from a sandbox over HTTPS on loopback. For
//! production, leave out `--features sandbox` and `with_sandbox`.
//!
//! `/ready` is for a readiness probe, `/live` for a liveness probe.

use std::future::IntoFuture;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{any, get};
use axum::{Router, response::Response};
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuth, FiskilAuthLayer, TokenCache};
use http::{HeaderMap, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

/// Until an answer begins, the wait for a token included. Its body may take longer.
const TIMEOUT: Duration = Duration::from_secs(30);

type HttpsClient = BoxCloneSyncService<Request, http::Response<Incoming>, BoxError>;

#[derive(Clone)]
struct Fiskil {
    api: FiskilAuth<HttpsClient>,
    base: String,
    tokens: TokenCache,
}

/// Everything under `/v1/` goes to Fiskil with a token, whoever sent it.
fn gateway(layer: FiskilAuthLayer, client: HttpsClient, base: &str) -> Router {
    Router::new()
        .route("/v1/{*path}", any(forward))
        .route("/ready", get(ready))
        // Whatever the token does: a restart cures nothing that it can have.
        .route("/live", get(StatusCode::OK))
        .with_state(Fiskil {
            tokens: layer.tokens(),
            api: layer.layer(client),
            base: base.trim_end_matches('/').to_owned(),
        })
}

/// Bodies stream, both ways. The layer replaces the `Authorization` that the caller sent.
async fn forward(
    State(fiskil): State<Fiskil>,
    mut request: Request,
) -> Result<Response, StatusCode> {
    *request.uri_mut() = address(&fiskil.base, request.uri())?;
    *request.version_mut() = Version::HTTP_11;
    remove_hop_by_hop(request.headers_mut());
    request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::COOKIE);

    let answer = timeout(TIMEOUT, fiskil.api.oneshot(request)).await;
    let answer = answer.map_err(|_| StatusCode::GATEWAY_TIMEOUT)?;
    let mut response = answer.map_err(|error| {
        // Callers get the status alone.
        eprintln!("Fiskil can't be reached: {error:?}");
        StatusCode::BAD_GATEWAY
    })?;
    remove_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(header::SET_COOKIE);
    Ok(response.map(Body::new))
}

/// The base may have a path, such as `https://gateway.example/fiskil`.
fn address(base: &str, asked: &Uri) -> Result<Uri, StatusCode> {
    let path = asked.path_and_query().ok_or(StatusCode::BAD_REQUEST)?;
    let address = format!("{base}{path}").parse();
    address.map_err(|_| StatusCode::BAD_REQUEST)
}

/// What is between two neighbours only: RFC 9110, section 7.6.1, and a proxy's
/// authentication.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ] {
        headers.remove(name);
    }
}

/// Stays ready through an outage of the token endpoint while the token lives. It may wait
/// for a fetch: give the probe a timeout of 11 s. Callers are not told why it is not
/// ready: the log says it.
async fn ready(State(fiskil): State<Fiskil>) -> StatusCode {
    match fiskil.tokens.token().await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // What the layer logs, such as why there is no token.
    tracing_subscriber::fmt::init();
    if std::env::var_os("FISKIL_CLIENT_ID").is_none() {
        return with_sandbox().await;
    }
    let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
    let app = gateway(FiskilAuthLayer::from_env()?, https_client()?, &base);
    // For callers on other machines, listen on 0.0.0.0.
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("a gateway at http://{}", listener.local_addr()?);
    // Requests that are under way are answered first.
    let server = axum::serve(listener, app).with_graceful_shutdown(told_to_end()?);
    server.await?;
    println!("the gateway has ended");
    Ok(())
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

async fn with_sandbox() -> Result<(), BoxError> {
    println!("FISKIL_CLIENT_ID is not set: a sandbox stands in for Fiskil");
    let sandbox = Sandbox::new().serve_https().await?;
    let client = BoxCloneSyncService::new(sandbox.client());
    let app = gateway(sandbox.layer(), client, &sandbox.base_url());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let gateway = format!("http://{}", listener.local_addr()?);
    println!("a gateway at {gateway}");
    let (end, ended) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = ended.await;
    });
    let server = tokio::spawn(server.into_future());

    // A caller who knows the gateway, and nothing of Fiskil.
    let caller = Client::builder(TokioExecutor::new()).build_http();
    for (path, expected) in [
        ("/live", StatusCode::OK),
        ("/ready", StatusCode::OK),
        ("/v1/end-users", StatusCode::OK),
        ("/v1/nothing", StatusCode::NOT_FOUND),
    ] {
        let request = Request::get(format!("{gateway}{path}"))
            // The gateway's token takes its place.
            .header(header::AUTHORIZATION, "Bearer of-the-caller")
            .body(Body::empty())?;
        let status = caller.request(request).await?.status();
        println!("{path}: {status}");
        assert_eq!(status, expected);
    }

    let _ = end.send(());
    server.await??;
    println!("the gateway has ended");
    Ok(())
}
