//! An hour of steady load over several expiries and an outage of the token
//! endpoint, for this layer and for a token behind a mutex.
//!
//! The clock is paused, so the hour passes in seconds.
//! `cargo bench --bench expiry_timeline -- --svg docs/expiry_timeline.svg` draws
//! it, too.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects
)]

#[path = "support/drawing.rs"]
mod drawing;
#[path = "support/mutex.rs"]
mod mutex;
#[path = "support/svg.rs"]
mod svg;
#[path = "support/timeline.rs"]
mod timeline;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox, SandboxBody};
use fiskil_auth::{
    BoxError, Credentials, FiskilAuthLayer, Token, TokenClient, TokenRequest, TokenRequestBody,
};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use timeline::{Answer, Timeline};
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};

const HOUR: Duration = Duration::from_secs(60 * 60);
const OUTAGE: Range<Duration> = Duration::from_secs(28 * 60)..Duration::from_secs(32 * 60);
const REQUESTS_PER_SECOND: u32 = 4;
const EXCHANGE: Duration = Duration::from_millis(400);

type Notes = Arc<Mutex<Timeline>>;
type Http = BoxCloneService<Request<TokenRequestBody>, Response<SandboxBody>, BoxError>;
/// An API, or a stack on it.
type Api = BoxCloneService<Request<Empty<Bytes>>, Response<()>, BoxError>;
type TokenService = BoxCloneService<TokenRequest, Token, BoxError>;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    println!("\nAn hour of {REQUESTS_PER_SECOND} requests a second: tokens live for 15 minutes,");
    println!("and from minute 28 to 32 the token endpoint answers 503.\n");
    // The same picture every time.
    fastrand::seed(4);
    let layer = run("fiskil-auth", |credentials, tokens, api| {
        let layer = FiskilAuthLayer::with_token_service(credentials, tokens).layer(api);
        BoxCloneService::new(layer.map_response(|response| response.map(drop)))
    })
    .await;
    let mutex = run("a token behind a mutex", mutex::behind_a_mutex).await;

    for timeline in [&layer, &mutex] {
        println!("  {:<24}{}", timeline.name, timeline.summary());
    }
    let svg = drawing::draw(&[&layer, &mutex], HOUR, &OUTAGE)?;
    if let Some(path) = std::env::args().skip_while(|arg| arg != "--svg").nth(1) {
        std::fs::write(&path, svg)?;
        println!("\ndrawn: {path}");
    }

    let (failed, waited) = (layer.failed(), layer.waited());
    if failed > 0 || waited > 2 || mutex.failed() == 0 {
        return Err(format!("expected otherwise: {failed} failed, {waited} waited").into());
    }
    Ok(())
}

/// Sends an hour of requests to the stack that `build` makes, and notes what
/// happens.
async fn run(
    name: &'static str,
    build: impl FnOnce(Credentials, TokenService, Api) -> Api,
) -> Timeline {
    let sandbox = Sandbox::new();
    sandbox.set_latency(EXCHANGE);
    let notes = Arc::new(Mutex::new(Timeline::new(name)));
    let from = Instant::now();
    let tokens = TokenClient::new(noting_exchanges(&sandbox, &notes, from));
    let stack = build(
        sandbox.credentials(),
        BoxCloneService::new(tokens.map_err(Into::into)),
        noting_tokens(&sandbox, &notes, from),
    );

    let outage = tokio::spawn(async move {
        sleep(OUTAGE.start).await;
        sandbox.fail_exchanges(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
        sleep(OUTAGE.end - OUTAGE.start).await;
        sandbox.heal();
    });
    let mut requests = Vec::new();
    for _ in 0..HOUR.as_secs() * u64::from(REQUESTS_PER_SECOND) {
        let (service, notes) = (stack.clone(), notes.clone());
        requests.push(tokio::spawn(async move {
            let at = from.elapsed();
            let request = Request::get("/v1/end-users").body(Empty::new()).unwrap();
            let answer = service.oneshot(request).await;
            let ok = answer.is_ok_and(|response| response.status() == StatusCode::OK);
            let wait = from.elapsed() - at;
            notes.lock().unwrap().answers.push(Answer { at, wait, ok });
        }));
        sleep(Duration::from_secs(1) / REQUESTS_PER_SECOND).await;
    }
    for request in requests {
        request.await.unwrap();
    }
    outage.await.unwrap();
    notes.lock().unwrap().clone()
}

/// The sandbox's token endpoint, with each exchange noted.
fn noting_exchanges(sandbox: &Sandbox, notes: &Notes, from: Instant) -> Http {
    let (sandbox, notes) = (sandbox.clone(), notes.clone());
    BoxCloneService::new(service_fn(move |request: Request<TokenRequestBody>| {
        let (at, notes) = (from.elapsed(), notes.clone());
        let answer = sandbox.service().call(request);
        async move {
            let answer = answer.await?;
            let ok = answer.status() == StatusCode::OK;
            notes.lock().unwrap().exchanges.push((at, ok));
            Ok(answer)
        }
    }))
}

/// The sandbox's API, with each token noted.
fn noting_tokens(sandbox: &Sandbox, notes: &Notes, from: Instant) -> Api {
    let (sandbox, notes) = (sandbox.clone(), notes.clone());
    BoxCloneService::new(service_fn(move |request: Request<Empty<Bytes>>| {
        let token = request.headers().get(AUTHORIZATION).cloned();
        notes.lock().unwrap().note_token(token, from.elapsed());
        let answer = sandbox.service().call(request);
        async move { Ok(answer.await?.map(drop)) }
    }))
}
