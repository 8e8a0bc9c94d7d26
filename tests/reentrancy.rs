//! Foreign code that calls back, or panics where nobody expects it: no lock is
//! held while it runs.
//!
//! Guarantees 2 (no caller cancels or starves a fetch) and 3 (waits are bounded).
//!
//! A cache that held a lock would deadlock here, so each test runs on a thread of
//! its own and fails after half a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::{self, Write};
use std::sync::mpsc;
use std::time::Duration;

use fiskil_auth::{BoxError, TokenCache};
use http::{Request, StatusCode};
use support::{Api, Tokens, layer, paused_runtime};
use tower::{Layer, ServiceExt};

/// Runs `test` in paused time, and panics if it does not end.
fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        paused_runtime().block_on(test());
        done.send(()).unwrap();
    });
    let ended = ended.recv_timeout(Duration::from_secs(30));
    ended.expect("it deadlocked, or failed as printed above");
}

/// An error that asks the cache for its status when it is dropped.
#[derive(Debug)]
struct CallsBack(TokenCache);

impl fmt::Display for CallsBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("calls back")
    }
}

impl std::error::Error for CallsBack {}

impl Drop for CallsBack {
    fn drop(&mut self) {
        let _ = self.0.status();
    }
}

#[test]
fn an_error_that_is_dropped_may_call_the_cache() {
    run(|| async {
        let tokens = Tokens::new();
        let cache = layer(&tokens).tokens();
        let caller = cache.clone();
        tokens.answer(move |_| {
            let error: BoxError = CallsBack(caller.clone()).into();
            async { Err(error) }
        });
        for _ in 0..3 {
            cache.token().await.unwrap_err();
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        tokens.issue_after(Duration::ZERO);
        cache.token().await.unwrap();
    });
}

#[test]
fn a_writer_that_the_cache_is_printed_to_may_call_the_cache() {
    struct Printer(TokenCache, usize);
    impl Write for Printer {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            self.1 = self.1.max(self.0.status().waiting.saturating_add(1));
            Ok(())
        }
    }
    run(|| async {
        let tokens = Tokens::new();
        tokens.fail("down");
        let layer = layer(&tokens);
        layer.tokens().token().await.unwrap_err();
        let mut printer = Printer(layer.tokens(), 0);
        let service = layer.layer(());
        write!(printer, "{layer:?} {:?} {service:?}", layer.tokens()).unwrap();
        assert_eq!(printer.1, 1, "it printed something");
    });
}

#[test]
fn a_panic_whose_payload_panics_too_ends_one_fetch_only() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("told to, again");
        }
    }
    run(|| async {
        let tokens = Tokens::new();
        tokens.answer(|_| async { std::panic::panic_any(Payload) });
        let layer = layer(&tokens);
        for _ in 0..10 {
            let response = layer.layer(Api::default()).oneshot(Request::new(())).await;
            assert_eq!(response.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(tokens.exchanges(), 1);
    });
}
