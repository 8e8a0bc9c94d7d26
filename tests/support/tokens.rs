//! A token service that does as it is told.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use fiskil_auth::{BoxError, Token, TokenRequest};
use tower::Service;

type Answer = Pin<Box<dyn Future<Output = Result<Token, BoxError>> + Send>>;

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
