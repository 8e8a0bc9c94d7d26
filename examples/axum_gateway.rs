//! A gateway on axum: internal callers reach Fiskil through it, and none of
//! them needs Fiskil's credentials.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! otherwise to a sandbox over HTTPS on loopback.
#![allow(clippy::print_stdout)]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use fiskil_auth::{FiskilAuthLayer, TokenCache};
use http::{HeaderMap, Request, StatusCode, Uri, Version, header};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use support::{Fiskil, HttpsClient, Outcome, check};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceBuilder;

/// Everything under `/v1/` goes to Fiskil with a token, bodies as they stream;
/// `/ready` says whether that can work.
fn gateway(layer: FiskilAuthLayer, client: HttpsClient<Body>, base: Uri) -> Router {
    let tokens = layer.tokens();
    let to_fiskil = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_| StatusCode::BAD_GATEWAY))
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .map_request(move |request| readdress(request, &base))
        // Beneath `map_request`, so that it sees where the request goes. It replaces
        // the `Authorization` that the caller sent.
        .layer(layer)
        .service(client);
    Router::new()
        .route("/ready", get(ready).with_state(tokens))
        .route_service("/v1/{*path}", to_fiskil)
}

/// Stays ready through an outage of the token endpoint while the token lives.
async fn ready(State(tokens): State<TokenCache>) -> Response {
    match tokens.token().await {
        Ok(_) => "ready".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

fn readdress(mut request: Request<Body>, base: &Uri) -> Request<Body> {
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

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth in an axum gateway\n");
    let fiskil = Fiskil::from_env().await?;
    let layer = fiskil.layer(fiskil.credentials()?)?;
    let tokens = layer.tokens();
    let base: Uri = fiskil.base_url().parse()?;
    let app = gateway(layer, fiskil.https_client()?, base);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let caller = Caller::new(format!("http://{}", listener.local_addr()?));
    // A real service waits for `tokio::signal::ctrl_c` here.
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());

    println!(" 1. Before the first request");
    check(caller.get("/ready").await? == 200, "/ready: 200")?;

    println!("\n 2. A caller without credentials");
    check(
        caller.get("/v1/end-users").await? == 200,
        "/v1/end-users: 200",
    )?;

    println!("\n 3. A caller with credentials of its own");
    let own = HeaderMap::from_iter([(header::AUTHORIZATION, "Bearer mine".parse()?)]);
    let status = caller.get_with("/v1/end-users", own).await?;
    check(
        status == 200,
        "/v1/end-users: 200, with the gateway's token in their place",
    )?;

    println!("\n 4. A path that Fiskil does not have");
    check(
        caller.get("/v1/nothing").await? == 404,
        "/v1/nothing: Fiskil's own 404",
    )?;

    println!("\n 5. The gateway is stopped while a request waits for a token");
    if let Some(sandbox) = fiskil.sandbox() {
        sandbox.set_latency(Duration::from_millis(300));
    }
    tokens.invalidate(&tokens.token().await?);
    let last = tokio::spawn(async move { caller.get("/v1/end-users").await });
    while tokens.status().waiting == 0 && !last.is_finished() {
        tokio::task::yield_now().await;
    }
    let _ = stop.send(());
    check(last.await?? == 200, "the request is answered: 200")?;
    check(server.await?.is_ok(), "then the gateway ends")
}

/// A caller who knows the gateway, and nothing of Fiskil.
struct Caller {
    client: Client<HttpConnector, Body>,
    base: String,
}

impl Caller {
    fn new(base: String) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base }
    }

    async fn get(&self, path: &str) -> Outcome<u16> {
        self.get_with(path, HeaderMap::new()).await
    }

    async fn get_with(&self, path: &str, headers: HeaderMap) -> Outcome<u16> {
        let mut request = Request::get(format!("{}{path}", self.base)).body(Body::empty())?;
        *request.headers_mut() = headers;
        Ok(self.client.request(request).await?.status().as_u16())
    }
}
