//! A token that is revoked under load, and how many callers see a 401: with this
//! layer, with its retry policy above, and with a token behind a mutex.
//!
//! The clock is paused, so it passes at once.
//! `cargo bench --bench revocation -- --svg docs/revocation.svg` draws it, too.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

#[path = "support/callers.rs"]
mod callers;
#[path = "support/mutex.rs"]
mod mutex;
#[path = "support/revocation_chart.rs"]
mod revocation_chart;
#[path = "support/svg.rs"]
mod svg;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use callers::{Caller, Callers, Fate};
use fiskil_auth::retry::RetryUnauthorized;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, Token, TokenClient, TokenRequest};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use mutex::After401;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SPAN: Duration = Duration::from_secs(6);
const REVOKED: Duration = Duration::from_secs(1);
const REQUESTS_PER_SECOND: u32 = 100;
const EXCHANGE: Duration = Duration::from_millis(400);
/// To the API, and as much back.
const WAY: Duration = Duration::from_millis(40);
/// A shorter wait does not count as one.
const NOTICEABLE: Duration = Duration::from_millis(10);

/// An API, or a stack on it.
type Api = BoxCloneService<Request<Empty<Bytes>>, Response<()>, BoxError>;
type TokenService = BoxCloneService<TokenRequest, Token, BoxError>;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    println!("\n{REQUESTS_PER_SECOND} requests a second, and the token is revoked.\n");
    let [drops, keeps] = [After401::DropsIt, After401::KeepsIt].map(After401::behind_a_mutex);
    let all = [
        run("fiskil-auth and RetryUnauthorized", retried).await,
        run("fiskil-auth", layered).await,
        run("a mutex, and the token dropped after a 401", drops).await,
        run("a mutex, and the token kept until it expires", keeps).await,
    ];
    for callers in &all {
        println!("  {:<46}{}", callers.name, callers.summary());
    }
    let svg = revocation_chart::draw(&all, SPAN, REVOKED)?;
    if let Some(path) = std::env::args().skip_while(|arg| arg != "--svg").nth(1) {
        std::fs::write(&path, svg)?;
        println!("\ndrawn: {path}");
    }

    let [retried, layered, ..] = &all;
    let saw_401 = [retried, layered].map(|callers| callers.count(Fate::Saw401));
    let exchanges = [retried, layered].map(|callers| callers.exchanges.len());
    // On their way when it was revoked, or sent before the first 401 was back.
    let on_their_way = usize::try_from(2 * WAY.as_millis() / 10)?;
    if saw_401[0] > 0 || saw_401[1] > on_their_way || exchanges != [1, 1] {
        return Err(format!("expected otherwise: {saw_401:?}, {exchanges:?}").into());
    }
    Ok(())
}

fn layered(credentials: Credentials, tokens: TokenService, api: Api) -> Api {
    let layer = FiskilAuthLayer::with_token_service(credentials, tokens);
    BoxCloneService::new(layer.layer(api).map_response(|response| response.map(drop)))
}

fn retried(credentials: Credentials, tokens: TokenService, api: Api) -> Api {
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(drop))
        .retry(RetryUnauthorized::new())
        .layer(FiskilAuthLayer::with_token_service(credentials, tokens))
        .service(api);
    BoxCloneService::new(stack)
}

/// Sends the requests to the stack that `build` makes, and notes what happens.
async fn run(
    name: &'static str,
    build: impl FnOnce(Credentials, TokenService, Api) -> Api,
) -> Callers {
    let sandbox = Sandbox::new();
    sandbox.set_latency(EXCHANGE);
    let exchanges = Arc::<Mutex<Vec<Instant>>>::default();
    let stack = build(
        sandbox.credentials(),
        noting_exchanges(&sandbox, &exchanges),
        behind_a_network(&sandbox),
    );
    assert_eq!(send(stack.clone()).await, StatusCode::OK);
    exchanges.lock().unwrap().clear();

    let from = Instant::now();
    let revocation = tokio::spawn(async move {
        sleep(REVOKED).await;
        sandbox.revoke_tokens();
    });
    let mut callers = Vec::new();
    while from.elapsed() < SPAN {
        let stack = stack.clone();
        callers.push(tokio::spawn(async move {
            let at = from.elapsed();
            let status = send(stack).await;
            let took = from.elapsed() - at;
            let fate = match status {
                StatusCode::UNAUTHORIZED => Fate::Saw401,
                StatusCode::OK if took <= 2 * WAY + NOTICEABLE => Fate::AnsweredAtOnce,
                StatusCode::OK => Fate::Waited,
                other => panic!("an answer that should not be: {other}"),
            };
            Caller { at, took, fate }
        }));
        sleep(Duration::from_secs(1) / REQUESTS_PER_SECOND).await;
    }
    let mut all = Vec::new();
    for caller in callers {
        all.push(caller.await.unwrap());
    }
    revocation.await.unwrap();
    let exchanges = exchanges.lock().unwrap();
    let within = exchanges
        .iter()
        .map(|at| *at - from)
        .filter(|at| *at < SPAN);
    Callers {
        name,
        all,
        exchanges: within.collect(),
    }
}

async fn send(stack: Api) -> StatusCode {
    let request = Request::get("/v1/end-users").body(Empty::new()).unwrap();
    stack.oneshot(request).await.unwrap().status()
}

fn noting_exchanges(sandbox: &Sandbox, exchanges: &Arc<Mutex<Vec<Instant>>>) -> TokenService {
    let (tokens, exchanges) = (TokenClient::new(sandbox.service()), exchanges.clone());
    BoxCloneService::new(service_fn(move |request: TokenRequest| {
        exchanges.lock().unwrap().push(Instant::now());
        let exchange = tokens.clone().oneshot(request);
        async { exchange.await.map_err(Into::into) }
    }))
}

/// The sandbox's API, as far away as it takes.
fn behind_a_network(sandbox: &Sandbox) -> Api {
    let api = sandbox.service();
    BoxCloneService::new(service_fn(move |request: Request<Empty<Bytes>>| {
        let mut api = api.clone();
        async move {
            sleep(WAY).await;
            let answer = api.call(request).await?;
            sleep(WAY).await;
            Ok(answer.map(drop))
        }
    }))
}
