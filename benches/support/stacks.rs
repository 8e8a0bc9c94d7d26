//! The stacks that are measured: a bare service, and what adds a header to its
//! requests.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::new_without_default
)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fiskil_auth::{Credentials, FiskilAuth, FiskilAuthLayer, Token, TokenRequest};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, Uri};
use tower::{Layer, Service, service_fn};
use tower_http::set_header::{SetRequestHeader, SetRequestHeaderLayer};

/// The names, in the order in which they are measured and reported.
pub const NAMES: [&str; 4] = [
    "bare service",
    "set_header",
    "fiskil-auth",
    "mutex and format!",
];

/// `tower_http::set_header` with a fixed value: the yardstick.
pub fn yardstick() -> SetRequestHeader<Bare, HeaderValue> {
    let header = HeaderValue::from_str(&format!("Bearer {}", token())).unwrap();
    SetRequestHeaderLayer::overriding(AUTHORIZATION, header).layer(Bare)
}

/// The layer, with a token that stays fresh.
pub fn fresh() -> FiskilAuth<Bare> {
    let tokens = service_fn(|_: TokenRequest| async {
        Token::new(token(), Duration::from_secs(24 * 60 * 60))
    });
    let layer = FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(layer.tokens().token()).unwrap();
    layer.layer(Bare)
}

/// Sends a request that is answered at once.
pub fn call<S: Service<Request<()>>>(service: &mut S, uri: &Uri) {
    let mut request = Request::new(());
    request.uri_mut().clone_from(uri);
    let response = pin!(service.call(request));
    let Poll::Ready(response) = response.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the token is not fresh");
    };
    drop(black_box(response));
}

/// As long as Fiskil's tokens are.
fn token() -> String {
    "x".repeat(350)
}

/// Answers at once, and drops the request.
#[derive(Clone)]
pub struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(())))
    }
}

/// What is commonly written: the token behind a mutex, formatted each time.
#[derive(Clone)]
pub struct Commonplace {
    token: Arc<Mutex<Option<String>>>,
    inner: Bare,
}

impl Commonplace {
    pub fn new() -> Self {
        let token = Arc::new(Mutex::new(Some(token())));
        Self { token, inner: Bare }
    }
}

impl Service<Request<()>> for Commonplace {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<()>) -> Self::Future {
        let token = self.token.lock().unwrap().clone().unwrap();
        let header = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(AUTHORIZATION, header);
        self.inner.call(request)
    }
}
