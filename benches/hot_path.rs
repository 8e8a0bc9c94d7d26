//! What the layer adds to a request while the token is fresh, beside what
//! `tower_http::set_header` with a fixed value adds: the yardstick.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fiskil_auth::{Credentials, FiskilAuthLayer, Token, TokenRequest};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use support::{is_quick, measure, median};
use tower::{Layer, Service, service_fn};
use tower_http::set_header::SetRequestHeaderLayer;

fn main() {
    let (rounds, slice) = if is_quick() { (3, 100) } else { (1_000, 2_000) };
    println!("added to a request, and its ratio to the yardstick (set_header, fixed value)");
    println!("medians of {rounds} interleaved rounds of {slice} requests\n");
    let header = HeaderValue::from_str(&format!("Bearer {}", token())).unwrap();
    let yardstick = SetRequestHeaderLayer::overriding(AUTHORIZATION, header).layer(Bare);
    let ours = warm_layer().layer(Bare);
    let naive = Naive::new();
    for threads in [1, 2] {
        for per_request in [false, true] {
            let results = measure(
                threads,
                rounds,
                slice,
                [
                    &|| requests(Bare, per_request),
                    &|| requests(yardstick.clone(), per_request),
                    &|| requests(ours.clone(), per_request),
                    &|| requests(naive.clone(), per_request),
                ],
            );
            print(threads, per_request, &results);
        }
    }
}

fn requests<S>(mut service: S, per_request: bool) -> Box<dyn FnMut(u32)>
where
    S: Service<Request<()>> + Clone + 'static,
{
    if per_request {
        // As axum does: the clone that is called was never called before.
        Box::new(move |times| (0..times).for_each(|_| call(&mut service.clone())))
    } else {
        Box::new(move |times| (0..times).for_each(|_| call(&mut service)))
    }
}

fn call<S: Service<Request<()>>>(service: &mut S) {
    let response = pin!(service.call(Request::new(())));
    let Poll::Ready(response) = response.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the token is not fresh");
    };
    drop(black_box(response));
}

fn print(threads: usize, per_request: bool, results: &[[f64; 4]]) {
    let clones = if per_request {
        "a clone per request"
    } else {
        "own clone"
    };
    println!("{threads} thread(s), {clones}");
    let bare = median(results.iter().map(|round| round[0]));
    println!("    {:28} {bare:7.1} ns", "bare service");
    for (case, name) in [
        (1, "yardstick"),
        (2, "fiskil-auth"),
        (3, "mutex and format!"),
    ] {
        let added = median(results.iter().map(|round| round[case] - round[0]));
        let ratio = |round: &[f64; 4]| (round[case] - round[0]) / (round[1] - round[0]);
        let ratio = median(results.iter().map(ratio));
        println!("    {name:28} {added:7.1} ns   ratio {ratio:.2}");
    }
}

/// A token of the length of Fiskil's.
fn token() -> String {
    "x".repeat(350)
}

fn warm_layer() -> FiskilAuthLayer {
    let tokens = service_fn(|_: TokenRequest| async {
        Token::new(token(), Duration::from_secs(24 * 60 * 60))
    });
    let layer = FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(layer.tokens().token()).unwrap();
    layer
}

/// Answers at once, and drops the request.
#[derive(Clone)]
struct Bare;

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
struct Naive {
    token: Arc<Mutex<Option<String>>>,
    inner: Bare,
}

impl Naive {
    fn new() -> Self {
        let token = Arc::new(Mutex::new(Some(token())));
        Self { token, inner: Bare }
    }
}

impl Service<Request<()>> for Naive {
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
