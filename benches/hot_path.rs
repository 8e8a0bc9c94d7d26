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
use support::{is_quick, median, time};
use tower::{Layer, Service, service_fn};
use tower_http::set_header::SetRequestHeaderLayer;

fn main() {
    let (rounds, iterations) = if is_quick() {
        (3, 1_000)
    } else {
        (15, 300_000)
    };
    println!("added to a request, and its ratio to the yardstick (set_header, fixed value)");
    println!("medians of {rounds} interleaved rounds of {iterations} requests\n");
    let header = HeaderValue::from_str(&format!("Bearer {}", token())).unwrap();
    let yardstick = SetRequestHeaderLayer::overriding(AUTHORIZATION, header).layer(Bare);
    let ours = warm_layer().layer(Bare);
    let naive = Naive::new();
    for threads in [1, 2] {
        for per_request in [false, true] {
            let mut results: [Vec<f64>; 4] = Default::default();
            for _ in 0..rounds {
                results[0].push(run(threads, iterations, per_request, &Bare));
                results[1].push(run(threads, iterations, per_request, &yardstick));
                results[2].push(run(threads, iterations, per_request, &ours));
                results[3].push(run(threads, iterations, per_request, &naive));
            }
            print(threads, per_request, &results);
        }
    }
}

/// Nanoseconds per request.
fn run<S>(threads: usize, iterations: u32, per_request: bool, service: &S) -> f64
where
    S: Service<Request<()>> + Clone + Sync,
{
    let took = time(threads, iterations, || {
        let mut own = service.clone();
        move || {
            if per_request {
                // As axum does: the clone that is called was never called before.
                call(&mut own.clone());
            } else {
                call(&mut own);
            }
        }
    });
    took.as_secs_f64() * 1e9 / f64::from(iterations)
}

fn call<S: Service<Request<()>>>(service: &mut S) {
    let response = pin!(service.call(Request::new(())));
    let Poll::Ready(response) = response.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the token is not fresh");
    };
    drop(black_box(response));
}

fn print(threads: usize, per_request: bool, results: &[Vec<f64>; 4]) {
    let clones = if per_request {
        "a clone per request"
    } else {
        "own clone"
    };
    println!("{threads} thread(s), {clones}");
    let [bare, yardstick, ours, naive] = results;
    println!("    {:28} {:7.1} ns", "bare service", median(bare.clone()));
    for (name, case) in [
        ("yardstick", yardstick),
        ("fiskil-auth", ours),
        ("mutex and format!", naive),
    ] {
        let added = case.iter().zip(bare).map(|(case, bare)| case - bare);
        let ratios = case.iter().zip(bare).zip(yardstick);
        let ratios = ratios.map(|((case, bare), yardstick)| (case - bare) / (yardstick - bare));
        println!(
            "    {name:28} {:7.1} ns   ratio {:.2}",
            median(added.collect()),
            median(ratios.collect())
        );
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
