//! Foreign values that panic when they are dropped, and wakers that panic: the
//! others who wait are told all the same, and at once.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use fiskil_auth::{
    BoxError, Credentials, ErrorKind, FiskilAuthLayer, ProvideCredentials, Token, TokenRequest,
};
use futures_util::future::poll_immediate;
use http::{Request, StatusCode};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::{
    Api, Tokens, alone_or_shared, credentials, layer, layer_over, overdue_after, paused_runtime,
    sent, settle,
};

/// Panics when it is dropped, unless a panic is under way: two would abort.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "told to");
    }
}

/// An error of foreign code.
#[derive(Debug)]
struct Explosive(Bomb);

impl fmt::Display for Explosive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("explosive")
    }
}

impl std::error::Error for Explosive {}

/// The same, and it quotes the secret.
#[derive(Debug)]
struct Quoting(Bomb);

impl fmt::Display for Quoting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("client-secret")
    }
}

impl std::error::Error for Quoting {}

/// Sends three requests, and tells what they were answered, and after how long.
async fn three(layer: &FiskilAuthLayer) -> Vec<(StatusCode, u64)> {
    let send = || {
        let service = layer.layer(Api::default());
        tokio::spawn(async move {
            let from = Instant::now();
            let response = service.oneshot(Request::new(())).await.unwrap();
            (response.status(), from.elapsed().as_secs())
        })
    };
    let requests = futures_util::future::join_all([send(), send(), send()]);
    requests.await.into_iter().map(Result::unwrap).collect()
}

/// Takes a second, and then fails with an error that panics when it is dropped.
fn explode(tokens: &Tokens) {
    tokens.answer(|_| async {
        tokio::time::sleep(SECOND).await;
        Err(Explosive(Bomb).into())
    });
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_the_next_outcome_replaces_it_keeps_nobody_waiting() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    explode(&tokens);
    for _ in 0..3 {
        assert_eq!(three(&layer).await, [(UNAVAILABLE, 1); 3]);
        // Now only the cache has the error.
        tokio::time::sleep(6 * SECOND).await;
    }
    tokens.hang();
    let overdue = (StatusCode::GATEWAY_TIMEOUT, overdue_after());
    assert_eq!(three(&layer).await, [overdue; 3]);
    explode(&tokens);
    tokio::time::sleep(12 * SECOND).await;
    assert_eq!(three(&layer).await, [(UNAVAILABLE, 1); 3]);
    tokio::time::sleep(30 * SECOND).await;
    tokens.issue_after(SECOND);
    assert_eq!(three(&layer).await, [(StatusCode::OK, 1); 3]);
}

#[tokio::test(start_paused = true)]
async fn whoever_drops_an_error_last_is_spared_its_panic() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    explode(&tokens);
    // One waits for the first fetch, but is not looked after until there is a token.
    let mut late = Box::pin(layer.layer(Api::default()).oneshot(Request::new(())));
    assert!(poll_immediate(&mut late).await.is_none());
    tokio::time::sleep(3 * SECOND).await;
    tokens.issue_after(Duration::ZERO);
    layer.tokens().token().await.unwrap();
    assert_eq!(sent(&late.await.unwrap()), "t2");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_withheld_and_panics_is_a_failure_like_any_other() {
    let tokens = Tokens::new();
    tokens.answer(|_| async { Err(Quoting(Bomb).into()) });
    let failure = layer(&tokens).tokens().token().await.unwrap_err();
    assert!(std::error::Error::source(&failure).is_none());
    assert!(
        failure.to_string().contains("the token service failed"),
        "{failure}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_costs_the_others_nothing() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("told to");
        }
    }

    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let layer = layer(&tokens);
    // In the first place, and in the last.
    let waker = Waker::from(Arc::new(Panics));
    let mut cx = Context::from_waker(&waker);
    let (mut first, mut last) = (Box::pin(send(&layer)), Box::pin(send(&layer)));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let others = tokio::spawn({
        let layer = layer.clone();
        async move { three(&layer).await }
    });
    settle().await;
    assert_eq!(layer.tokens().status().waiting, 4);
    assert!(last.as_mut().poll(&mut cx).is_pending());
    assert_eq!(others.await.unwrap(), [(StatusCode::OK, 1); 3]);
    assert_eq!(
        (first.await, last.await),
        ("t1".to_owned(), "t1".to_owned())
    );
}

async fn send(layer: &FiskilAuthLayer) -> String {
    let response = layer.layer(Api::default()).oneshot(Request::new(())).await;
    sent(&response.unwrap()).to_owned()
}

/// A token service each clone of which panics when it is dropped, until it is
/// switched off; and so does its future.
#[derive(Clone)]
struct Service(Tokens, Switched);

#[derive(Clone)]
struct Switched(Arc<AtomicBool>);

impl Drop for Switched {
    fn drop(&mut self) {
        let on = self.0.load(Ordering::SeqCst);
        assert!(!on || std::thread::panicking(), "told to");
    }
}

impl tower::Service<TokenRequest> for Service {
    type Response = Token;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let (answer, switched) = (self.0.call(request), self.1.clone());
        Box::pin(async move {
            let _switched = switched;
            answer.await
        })
    }
}

/// A layer over such a service, and the switch.
fn layer_over_panics(tokens: &Tokens) -> (FiskilAuthLayer, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let service = Service(tokens.clone(), Switched(switch.clone()));
    (layer_over(credentials(), service), switch)
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_panics_when_it_is_dropped_keeps_nobody_waiting() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let (layer, switch) = layer_over_panics(&tokens);
    switch.store(true, Ordering::SeqCst);
    assert_eq!(three(&layer).await, [(UNAVAILABLE, 1); 3]);
    let failure = layer.tokens().token().await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::TokenService);
    // Also where it is dropped by the deadline.
    tokio::time::sleep(2 * SECOND).await;
    tokens.hang();
    let waited = three(&layer).await.into_iter().map(|(_, waited)| waited);
    assert_eq!(waited.collect::<Vec<_>>(), [overdue_after(); 3]);
    switch.store(false, Ordering::SeqCst);
    tokio::time::sleep(3 * SECOND).await;
    tokens.issue_after(SECOND);
    assert_eq!(three(&layer).await, [(StatusCode::OK, 1); 3]);
}

#[test]
fn a_token_service_that_panics_as_its_runtime_dies_leaves_its_place_to_the_next() {
    let tokens = Tokens::new();
    tokens.hang();
    let (layer, switch) = layer_over_panics(&tokens);
    let (dying, live) = (paused_runtime(), paused_runtime());
    let leader = dying.spawn({
        let layer = layer.clone();
        async move { send(&layer).await }
    });
    dying.block_on(settle());
    let follower = live.spawn({
        let layer = layer.clone();
        async move { three(&layer).await }
    });
    live.block_on(settle());
    switch.store(true, Ordering::SeqCst);
    drop((dying, leader));
    switch.store(false, Ordering::SeqCst);
    tokens.issue_after(SECOND);
    // Over a shared store, a lease later.
    let took = alone_or_shared(1, 4);
    assert_eq!(
        live.block_on(follower).unwrap(),
        [(StatusCode::OK, took); 3]
    );
    assert_eq!(tokens.exchanges(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_credentials_provider_that_panics_when_it_is_dropped_is_dropped_with_its_layer_only() {
    struct Provider(Bomb);
    impl ProvideCredentials for Provider {
        async fn credentials(&self) -> Result<Credentials, BoxError> {
            Ok(credentials())
        }
    }

    let tokens = Tokens::new();
    let new = || layer_over(Provider(Bomb), tokens.clone());
    let layer = new();
    assert_eq!(three(&layer).await, [(StatusCode::OK, 0); 3]);
    // Whoever drops the last handle sees it…
    let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(layer)));
    dropped.unwrap_err();
    // …or the task of a fetch that was under way.
    tokens.hang();
    let layer = new();
    let waiting = tokio::spawn({
        let layer = layer.clone();
        async move { send(&layer).await }
    });
    settle().await;
    waiting.abort();
    settle().await;
    drop(layer);
    settle().await;
    assert_eq!(tokens.running(), 0);
    // Other layers are none the wiser.
    tokens.issue_after(Duration::ZERO);
    let other = self::layer(&tokens);
    let token = other.tokens().token().await.unwrap();
    other.tokens().report_rejected(&token);
    settle().await;
    assert_eq!(other.tokens().status().generation, 2);
}

const SECOND: Duration = Duration::from_secs(1);
const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
