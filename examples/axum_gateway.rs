//! A gateway on axum: internal callers reach Fiskil through it, and none of them needs
//! Fiskil's credentials.
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
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set (and `FISKIL_BASE_URL`, if you
//! like) it talks to Fiskil, otherwise to a sandbox over HTTPS on loopback.

use std::future::IntoFuture;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{Request, State};
use axum::{Router, routing::get};
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuthLayer, TokenCache};
use http::{Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com";

type HttpsClient = BoxCloneSyncService<Request, Response<Incoming>, BoxError>;

/// Everything under `/v1/` goes to Fiskil with a token, bodies as they stream;
/// `/healthz` says whether that can work.
fn gateway(layer: FiskilAuthLayer, client: HttpsClient, base: Uri) -> Router {
    let tokens = layer.tokens();
    let to_fiskil = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_| StatusCode::BAD_GATEWAY))
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_request(move |request| readdress(request, &base))
        // Beneath `map_request`, so that it sees where the request goes. It replaces
        // the `Authorization` that the caller sent.
        .layer(layer)
        .service(client);
    Router::new()
        .route("/healthz", get(healthz).with_state(tokens))
        .route_service("/v1/{*path}", to_fiskil)
}

fn readdress(mut request: Request, base: &Uri) -> Request {
    let mut address = base.clone().into_parts();
    address.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(address).unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
    for hop_by_hop in [
        header::HOST,
        header::CONNECTION,
        header::TE,
        header::UPGRADE,
    ] {
        request.headers_mut().remove(hop_by_hop);
    }
    request
}

/// Stays healthy through an outage of the token endpoint while the token lives.
async fn healthz(State(tokens): State<TokenCache>) -> Result<&'static str, (StatusCode, String)> {
    match tokens.token().await {
        Ok(_) => Ok("ok\n"),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::new().serve_https().await?;
    let (layer, client, base) = match std::env::var_os("FISKIL_CLIENT_ID") {
        Some(_) => {
            let base = std::env::var("FISKIL_BASE_URL").unwrap_or(FISKIL.to_owned());
            (FiskilAuthLayer::from_env()?, https_client()?, base)
        }
        None => {
            let client = BoxCloneSyncService::new(sandbox.client());
            (sandbox.layer(), client, sandbox.base_url())
        }
    };
    let app = gateway(layer, client, base.parse()?);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let gateway = format!("http://{}", listener.local_addr()?);
    println!("a gateway at {gateway}");
    // A real one waits for `tokio::signal::ctrl_c` here.
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());

    // A caller who knows the gateway, and nothing of Fiskil.
    let caller = Client::builder(TokioExecutor::new()).build_http();
    for (path, expected) in [
        ("/healthz", StatusCode::OK),
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

    // Requests that are under way are answered first.
    let _ = stop.send(());
    server.await??;
    println!("the gateway has ended");
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
