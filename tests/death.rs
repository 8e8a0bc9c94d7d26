//! Nothing that dies takes the layer along: panics, runtimes that are gone,
//! stalled or were never there, and token services that are never ready.
//!
//! Breaks tried, and what fails with each:
//! - a panic that counts as a lost runtime: `a_panicking_…`
//! - a task that ends nothing where it is dropped: `a_runtime_that_goes_away_…`
//! - a lost renewal that is not paused: `a_runtime_for_each_request_…`
//! - a waiter without a timer, or one that does not end an overdue exchange:
//!   `a_stalled_runtime_…`
//! - a permit held while waiting:
//!   `a_token_service_that_shares_the_inner_services_limit_…`
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fiskil_auth::{
    BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, ResponseBody, Token, TokenRequest,
};
use http::{Request, Response, StatusCode};
use support::{Api, Tokens, credentials, layer, sent, settle, token};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

fn error<B>(response: &Response<ResponseBody<B>>) -> &Error {
    response.extensions().get().unwrap()
}

fn paused_runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// A token service that panics where it is told to, as long as it is told to.
#[derive(Clone)]
struct Panics {
    place: &'static str,
    on: Arc<AtomicBool>,
}

impl Panics {
    fn at(place: &'static str) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        Self { place, on }
    }

    fn pass(&self, place: &str) {
        assert!(
            self.place != place || !self.on.load(Ordering::SeqCst),
            "told to"
        );
    }
}

impl Service<TokenRequest> for Panics {
    type Response = Token;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Token, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.pass("poll_ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        self.pass("call");
        let this = self.clone();
        Box::pin(async move {
            this.pass("poll");
            Ok(token(1))
        })
    }
}

/// One that panics when it is cloned.
struct PanickingClone(Panics);

impl Clone for PanickingClone {
    fn clone(&self) -> Self {
        self.0.pass("clone");
        Self(self.0.clone())
    }
}

impl Service<TokenRequest> for PanickingClone {
    type Response = Token;
    type Error = BoxError;
    type Future = <Panics as Service<TokenRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        self.0.call(request)
    }
}

async fn a_panic_ends_one_exchange(layer: FiskilAuthLayer, panics: &Panics) {
    let place = panics.place;
    let service = layer.layer(Api::default());
    let (one, other) = tokio::join!(
        service.clone().oneshot(Request::new(())),
        service.clone().oneshot(Request::new(())),
    );
    for response in [one.unwrap(), other.unwrap()] {
        assert_eq!(
            response.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{place}"
        );
        assert_eq!(error(&response).kind(), ErrorKind::TokenService, "{place}");
        assert!(
            !format!("{:?}", error(&response)).contains("told to"),
            "{place}"
        );
    }
    panics.on.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t1", "{place}");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_token_service_ends_one_exchange_only() {
    for place in ["poll_ready", "call", "poll"] {
        let panics = Panics::at(place);
        let layer = FiskilAuthLayer::with_token_service(credentials(), panics.clone());
        a_panic_ends_one_exchange(layer, &panics).await;
    }
    let panics = Panics::at("clone");
    let service = PanickingClone(panics.clone());
    let layer = FiskilAuthLayer::with_token_service(credentials(), service);
    a_panic_ends_one_exchange(layer, &panics).await;
}

#[tokio::test(start_paused = true)]
async fn a_panicking_credentials_provider_ends_one_exchange_only() {
    for place in ["call of the provider", "poll of the provider"] {
        let panics = Panics::at(place);
        let provider = {
            let panics = panics.clone();
            move || {
                panics.pass("call of the provider");
                let panics = panics.clone();
                async move {
                    panics.pass("poll of the provider");
                    Ok::<_, BoxError>(credentials())
                }
            }
        };
        let layer = FiskilAuthLayer::with_token_service(provider, panics.clone());
        a_panic_ends_one_exchange(layer, &panics).await;
    }
}

#[test]
fn a_runtime_that_goes_away_leaves_the_exchange_to_those_who_wait_elsewhere() {
    let tokens = Tokens::new();
    tokens.hang();
    let service = layer(&tokens).layer(Api::default());
    let first = paused_runtime();
    let second = paused_runtime();
    let leader = first.spawn(service.clone().oneshot(Request::new(())));
    first.block_on(settle());
    assert_eq!(tokens.exchanges(), 1);
    let follower = second.spawn(service.oneshot(Request::new(())));
    second.block_on(settle());
    assert_eq!(tokens.exchanges(), 1);
    tokens.issue_after(Duration::ZERO);
    drop(first);
    drop(leader);
    let response = second.block_on(follower).unwrap().unwrap();
    assert_eq!(sent(&response), "t2");
    assert_eq!(tokens.exchanges(), 2);
}

#[test]
fn a_runtime_for_each_request_does_not_mean_an_exchange_for_each_request() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    // Each has its own clock, which starts with the real one.
    let request = |after| {
        let runtime = paused_runtime();
        let response = runtime.block_on(async {
            tokio::time::advance(after).await;
            let response = service.clone().oneshot(Request::new(())).await;
            // The renewal gets as far as the token service, and no further.
            settle().await;
            response
        });
        sent(&response.unwrap()).to_owned()
    };
    assert_eq!(request(Duration::ZERO), "t1");
    tokens.hang();
    for _ in 0..100 {
        // The token's renewal is due.
        assert_eq!(request(Duration::from_secs(800)), "t1");
    }
    assert!(tokens.exchanges() > 1);
    // One a second, and all of this takes no more than a few.
    assert!(tokens.exchanges() <= 20, "{}", tokens.exchanges());
}

#[test]
fn runtimes_that_die_before_the_first_token_do_not_mean_an_exchange_each() {
    let tokens = Tokens::new();
    tokens.hang();
    let service = layer(&tokens).layer(Api::default());
    for _ in 0..100 {
        let request = service.clone().oneshot(Request::new(()));
        let impatient = async {
            let span = Duration::from_millis(5);
            tokio::time::timeout(span, request).await
        };
        let _ = paused_runtime().block_on(impatient);
    }
    // Three that are lost at once, and then one a second.
    assert!(
        (4..=50).contains(&tokens.exchanges()),
        "{}",
        tokens.exchanges()
    );
}

#[test]
fn a_layer_that_is_built_and_called_outside_a_runtime_works_when_polled_inside() {
    let tokens = Tokens::new();
    let mut service = layer(&tokens).layer(Api::default());
    let future = service.call(Request::new(()));
    let response = paused_runtime().block_on(future).unwrap();
    assert_eq!(sent(&response), "t1");
}

#[test]
fn without_a_runtime_the_answer_says_so() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let mut future = Box::pin(service.clone().oneshot(Request::new(())));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else {
        panic!("it waits for a runtime that is not there");
    };
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(error(&response).kind(), ErrorKind::Runtime);
    assert!(error(&response).to_string().contains("enable_time"));
    // Nobody else is held up by it.
    let response = paused_runtime()
        .block_on(service.oneshot(Request::new(())))
        .unwrap();
    assert_eq!(sent(&response), "t1");
}

#[test]
fn without_timers_the_answer_says_so() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let bare = Builder::new_current_thread().build().unwrap();
    let response = bare
        .block_on(service.clone().oneshot(Request::new(())))
        .unwrap();
    assert_eq!(error(&response).kind(), ErrorKind::Runtime);
    assert_eq!(tokens.exchanges(), 0);
    let response = paused_runtime()
        .block_on(service.clone().oneshot(Request::new(())))
        .unwrap();
    assert_eq!(sent(&response), "t1");
    // With a token there, none is needed.
    let response = bare.block_on(service.oneshot(Request::new(()))).unwrap();
    assert_eq!(sent(&response), "t1");
}

#[test]
fn a_stalled_runtime_holds_up_nobody_for_longer_than_the_deadline() {
    let tokens = Tokens::new();
    let service = layer(&tokens).layer(Api::default());
    let stalled = paused_runtime();
    let live = paused_runtime();
    let leader = stalled.spawn(service.clone().oneshot(Request::new(())));
    tokens.hang();
    stalled.block_on(settle());
    // From here on nobody runs the exchange's runtime.
    tokens.issue_after(Duration::ZERO);
    let waited = live.block_on(async {
        let from = Instant::now();
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(error(&response).kind(), ErrorKind::Timeout);
        from.elapsed()
    });
    assert!(waited <= Duration::from_millis(10_005), "{waited:?}");
    let response = live.block_on(async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        service.oneshot(Request::new(())).await.unwrap()
    });
    assert_eq!(sent(&response), "t2");
    drop(leader);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_provider_that_hangs() {
    let provider = std::future::pending::<Result<Credentials, BoxError>>;
    let layer = FiskilAuthLayer::with_token_service(provider, Tokens::new());
    times_out(layer).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_token_service_that_is_never_ready() {
    let limited = ConcurrencyLimit::new(Tokens::new(), 1);
    let mut holder = limited.clone();
    holder.ready().await.unwrap();
    let layer = FiskilAuthLayer::with_token_service(credentials(), limited);
    times_out(layer.clone()).await;
    // The exchange that was given up in `poll_ready` has left no permit behind.
    drop(holder);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let response = layer.layer(Api::default()).oneshot(Request::new(())).await;
    assert_eq!(sent(&response.unwrap()), "t1");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_token_service_beneath_the_same_layer() {
    // The token service asks the layer for the token that it is to fetch.
    let slot: Arc<std::sync::OnceLock<FiskilAuthLayer>> = Arc::default();
    let own = slot.clone();
    let service = tower::service_fn(move |_: TokenRequest| {
        let service = own.get().unwrap().layer(Api::default());
        async move {
            let response = service.oneshot(Request::new(())).await?;
            match response.extensions().get::<Error>() {
                Some(error) => Err::<Token, BoxError>(error.clone().into()),
                None => Ok(token(1)),
            }
        }
    });
    let layer = FiskilAuthLayer::with_token_service(credentials(), service);
    slot.set(layer.clone()).unwrap();
    times_out(layer).await;
}

async fn times_out(layer: FiskilAuthLayer) {
    let from = Instant::now();
    let response = layer
        .layer(Api::default())
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(error(&response).kind(), ErrorKind::Timeout);
    assert_eq!(from.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_shares_the_inner_services_limit_does_not_deadlock() {
    // Both go through one limit of a single permit.
    #[derive(Clone)]
    struct Both(Tokens, Api);
    enum Call {
        Token(TokenRequest),
        Api(Request<()>),
    }
    enum Answer {
        Token(Token),
        Api(Response<()>),
    }
    impl Service<Call> for Both {
        type Response = Answer;
        type Error = BoxError;
        type Future = std::pin::Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, call: Call) -> Self::Future {
            match call {
                Call::Token(request) => {
                    let token = self.0.call(request);
                    Box::pin(async { Ok(Answer::Token(token.await?)) })
                }
                Call::Api(request) => {
                    let response = self.1.call(request);
                    Box::pin(async { Ok(Answer::Api(response.await?)) })
                }
            }
        }
    }

    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let both = ConcurrencyLimit::new(Both(tokens, Api::default()), 1);
    let token_service = both
        .clone()
        .map_request(Call::Token)
        .map_response(|answer| {
            let Answer::Token(token) = answer else {
                unreachable!()
            };
            token
        });
    let api = both.map_request(Call::Api).map_response(|answer| {
        let Answer::Api(response) = answer else {
            unreachable!()
        };
        response
    });
    let layer = FiskilAuthLayer::with_token_service(credentials(), token_service);
    let service = layer.layer(api);
    let requests = (0..5).map(|_| service.clone().oneshot(Request::new(())));
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(sent(&response.unwrap()), "t1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_token_holds_no_permit() {
    let tokens = Tokens::new();
    tokens.hang();
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let service = layer(&tokens).layer(limited.clone());
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    settle().await;
    // Somebody else gets the only permit.
    let response: Result<_, Infallible> = limited.oneshot(Request::new(())).await;
    assert_eq!(sent(&response.unwrap()), "nothing");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_gives_its_permit_back() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let mut service = layer(&tokens).layer(limited.clone());
    let response = service
        .ready()
        .await
        .unwrap()
        .call(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // `service` is still there, and holds nothing.
    limited.oneshot(Request::new(())).await.unwrap();
    drop(service);
}
