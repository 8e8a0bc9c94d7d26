//! A token service that a whole fleet exchanges at, and that counts.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;
use tower_service::Service;

use crate::{Error, ErrorKind, Token, TokenRequest};

/// Issues `t1`, `t2`… after 200 ms, which live for 900 s, unless told otherwise.
#[derive(Clone)]
pub(super) struct Endpoint {
    state: Arc<Mutex<State>>,
}

struct State {
    mode: Mode,
    latency: Duration,
    lifetime: Duration,
    posts: usize,
    running: usize,
    most_running: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Mode {
    Issues,
    /// The same value each time.
    Repeats,
    Refuses(StatusCode),
    RefusesUntil(Duration),
    /// For a fault of the machine that asks.
    Misconfigured,
    Hangs,
    /// Foreign code that panics: when it is polled…
    Panics,
    /// …or hangs, and panics when it is dropped.
    HangsAndPanicsWhenDropped,
}

impl Endpoint {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                mode: Mode::Issues,
                latency: Duration::from_millis(200),
                lifetime: Duration::from_secs(900),
                posts: 0,
                running: 0,
                most_running: 0,
            })),
        }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.state.lock().unwrap().latency = latency;
    }

    pub(super) fn set_lifetime(&self, lifetime: Duration) {
        self.state.lock().unwrap().lifetime = lifetime;
    }

    pub(super) fn posts(&self) -> usize {
        self.state.lock().unwrap().posts
    }

    pub(super) fn most_running(&self) -> usize {
        self.state.lock().unwrap().most_running
    }
}

impl Service<TokenRequest> for Endpoint {
    type Response = Token;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Token, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        let mut state = self.state.lock().unwrap();
        state.posts += 1;
        state.running += 1;
        state.most_running = state.most_running.max(state.running);
        let running = Running(self.state.clone());
        let (mode, latency, lifetime) = (state.mode, state.latency, state.lifetime);
        let n = state.posts;
        Box::pin(async move {
            let _running = running;
            sleep(latency).await;
            let unavailable = || {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Error::new(ErrorKind::Unavailable, "down").with_answer(status, None, None)
            };
            match mode {
                Mode::Issues => Token::new(format!("t{n}"), lifetime),
                Mode::Repeats => Token::new("same", lifetime),
                Mode::Refuses(status) if status.is_server_error() => Err(unavailable()),
                Mode::Refuses(status) => {
                    let id = format!("err_{n}").into();
                    let refused = Error::new(ErrorKind::Refused, "refused");
                    Err(refused.with_answer(status, Some(id), Some("unauthorized".into())))
                }
                Mode::RefusesUntil(wait) => Err(unavailable().with_retry_after(wait)),
                Mode::Misconfigured => {
                    let text = "no certificates are installed";
                    Err(Error::new(ErrorKind::Configuration, text))
                }
                Mode::Hangs => std::future::pending().await,
                Mode::Panics => panic!("told to"),
                Mode::HangsAndPanicsWhenDropped => {
                    let _bomb = Bomb;
                    std::future::pending().await
                }
            }
        })
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("told to");
    }
}

struct Running(Arc<Mutex<State>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().running -= 1;
    }
}
