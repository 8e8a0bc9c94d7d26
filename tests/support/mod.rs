//! What the tests of the token's life share: a token service that does as it is
//! told, and an API that shows what reached it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic
)]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, Token, TokenRequest};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use tower::Service;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Answer = BoxFuture<Result<Token, BoxError>>;

pub fn credentials() -> Credentials {
    Credentials::new("client-id", "client-secret")
}

/// A layer over `service`.
pub fn layer(service: &Tokens) -> FiskilAuthLayer {
    let service = service.clone();
    // What holds for a cache holds with a shared store beneath it.
    #[cfg(in_memory_fleet)]
    let service = tower::Layer::layer(&fiskil_auth::SharedTokens::in_memory(), service);
    FiskilAuthLayer::with_token_service(credentials(), service)
}

/// A token service. Issues `t1`, `t2`… at once, which live for 900 s, unless it
/// is told otherwise.
#[derive(Clone)]
pub struct Tokens {
    state: Arc<State>,
}

struct State {
    answer: Mutex<Box<dyn Fn(u32) -> Answer + Send>>,
    exchanges: AtomicU32,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Tokens {
    pub fn new() -> Self {
        let tokens = Self {
            state: Arc::new(State {
                answer: Mutex::new(Box::new(|_| unreachable!())),
                exchanges: AtomicU32::new(0),
                running: AtomicUsize::new(0),
                most_running: AtomicUsize::new(0),
            }),
        };
        tokens.issue_after(Duration::ZERO);
        tokens
    }

    /// Answers the nth exchange with what `answer(n)` resolves to.
    pub fn answer<F, Fut>(&self, answer: F)
    where
        F: Fn(u32) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Token, BoxError>> + Send + 'static,
    {
        *self.state.answer.lock().unwrap() = Box::new(move |n| Box::pin(answer(n)));
    }

    pub fn issue_after(&self, latency: Duration) {
        self.answer(move |n| async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            Ok(token(n))
        });
    }

    pub fn fail(&self, text: &'static str) {
        self.answer(move |_| async move { Err(text.into()) });
    }

    pub fn hang(&self) {
        self.answer(|_| std::future::pending());
    }

    /// How many exchanges were started.
    pub fn exchanges(&self) -> u32 {
        self.state.exchanges.load(Ordering::SeqCst)
    }

    /// How many ran at the same time, at most.
    pub fn most_running(&self) -> usize {
        self.state.most_running.load(Ordering::SeqCst)
    }

    /// How many are running now.
    pub fn running(&self) -> usize {
        self.state.running.load(Ordering::SeqCst)
    }
}

impl Service<TokenRequest> for Tokens {
    type Response = Token;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Answer {
        let n = self.state.exchanges.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = self.state.answer.lock().unwrap()(n);
        let running = Running::new(self.state.clone());
        Box::pin(async move {
            let _running = running;
            answer.await
        })
    }
}

struct Running(Arc<State>);

impl Running {
    fn new(state: Arc<State>) -> Self {
        let running = state.running.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_running.fetch_max(running, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The nth token.
pub fn token(n: u32) -> Token {
    Token::new(format!("t{n}"), Duration::from_secs(900)).unwrap()
}

/// An API that shows what the request carried, and answers as it is told to.
#[derive(Clone, Default)]
pub struct Api {
    state: Arc<Mutex<ApiState>>,
}

#[derive(Default)]
struct ApiState {
    seen: Vec<String>,
    status: Option<StatusCode>,
}

impl Api {
    pub fn answer(&self, status: StatusCode) {
        self.state.lock().unwrap().status = Some(status);
    }

    /// What the requests carried so far.
    pub fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl Service<Request<()>> for Api {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut state = self.state.lock().unwrap();
        let carried = carried(request.headers());
        state.seen.push(carried.clone());
        let mut response = Response::new(());
        let header = HeaderValue::from_str(&carried).unwrap();
        response.headers_mut().insert("x-carried", header);
        *response.status_mut() = state.status.unwrap_or(StatusCode::OK);
        std::future::ready(Ok(response))
    }
}

/// What a request carries, without the scheme.
pub fn carried(headers: &HeaderMap) -> String {
    let value = headers.get(AUTHORIZATION).map(|v| v.to_str().unwrap());
    let value = value.unwrap_or("nothing");
    value.strip_prefix("Bearer ").unwrap_or(value).to_owned()
}

/// What the API saw of the request that it answered with `response`.
pub fn sent<B>(response: &Response<B>) -> &str {
    response
        .headers()
        .get("x-carried")
        .unwrap()
        .to_str()
        .unwrap()
}

/// Lets the tasks that were just spawned get as far as they can at this moment.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
