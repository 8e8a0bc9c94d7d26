//! tower's own layers, except for those that send a request more than once.

use std::convert::Infallible;
use std::future::pending;
use std::task::Poll;
use std::time::Duration;

use fiskil_auth::Error;
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::time::Instant;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::Constant;
use tower::load_shed::error::Overloaded;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{self, Api, Tokens, layer, sent, settle};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request<()> {
    Request::new(())
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_the_layer_covers_the_wait_for_the_token() {
    let tokens = Tokens::new();
    tokens.issue_after(3 * SECOND);
    let service = ServiceBuilder::new()
        .timeout(SECOND)
        .layer(layer(&tokens))
        .service(Api::default());
    service.clone().oneshot(request()).await.unwrap_err();
    // The fetch goes on for those who come later.
    tokio::time::sleep(2 * SECOND).await;
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(sent(&response), "t1");
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_beneath_the_layer_leaves_the_wait_for_the_token_out() {
    let tokens = Tokens::new();
    tokens.issue_after(3 * SECOND);
    let service = ServiceBuilder::new()
        .layer(layer(&tokens))
        .timeout(SECOND)
        .service(Api::default());
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(sent(&response), "t1");
}

#[tokio::test(start_paused = true)]
async fn a_buffer_works_above_and_beneath_and_waiting_requests_do_not_fill_it() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let api = Api::default();
    let above = ServiceBuilder::new()
        .buffer(1)
        .layer(layer(&tokens))
        .service(api.clone());
    let beneath = ServiceBuilder::new().buffer(1).service(api);
    let layered = layer(&tokens).layer(beneath.clone());
    let waiting: Vec<_> = (0..10)
        .map(|_| tokio::spawn(layered.clone().oneshot(request())))
        .collect();
    settle().await;
    let from = Instant::now();
    // Ten requests wait, and the buffer beneath is still free for others.
    beneath.oneshot(request()).await.unwrap();
    assert_eq!(from.elapsed(), Duration::ZERO);
    for response in join_all(waiting).await {
        assert_eq!(sent(&response.unwrap().unwrap()), "t1");
    }
    let responses = join_all((0..10).map(|_| above.clone().oneshot(request()))).await;
    assert!(responses.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_above_counts_waiting_requests_and_beneath_it_does_not() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let layer = layer(&tokens);
    let above = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(layer.clone())
        .service(Api::default());
    let one = tokio::spawn(above.clone().oneshot(request()));
    settle().await;
    let mut other = tokio_test::task::spawn(above.oneshot(request()));
    assert!(other.poll().is_pending());
    assert_eq!(layer.tokens().status().waiting, 1);
    one.await.unwrap().unwrap();
    other.await.unwrap();

    layer.tokens().invalidate(&support::token(1));
    let beneath = ServiceBuilder::new()
        .layer(layer.clone())
        .concurrency_limit(1)
        .service(Api::default());
    let requests: Vec<_> = (0..5)
        .map(|_| tokio::spawn(beneath.clone().oneshot(request())))
        .collect();
    settle().await;
    assert_eq!(layer.tokens().status().waiting, 5);
    for response in join_all(requests).await {
        assert_eq!(sent(&response.unwrap().unwrap()), "t2");
    }
}

#[tokio::test(start_paused = true)]
async fn load_shed_sheds_what_the_inner_service_refuses_also_after_a_wait() {
    // A token that is missing sheds nothing: only the inner service does.
    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let busy = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(service_fn(|_: Request<()>| {
            pending::<Result<Response<()>, Infallible>>()
        }));
    let above = ServiceBuilder::new()
        .load_shed()
        .layer(layer(&tokens))
        .service(busy);
    let mut waiting = tokio_test::task::spawn(above.clone().oneshot(request()));
    assert!(waiting.poll().is_pending());
    tokio::time::sleep(2 * SECOND).await;
    // It has its token, and the inner service never answers.
    assert!(waiting.poll().is_pending());
    let error = above.oneshot(request()).await.unwrap_err();
    assert!(error.is::<Overloaded>());

    // Beneath the layer, the same after the wait for the token.
    let shedding = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .service(service_fn(|_: Request<()>| {
            pending::<Result<Response<()>, Infallible>>()
        }));
    let mut busy = tokio_test::task::spawn(shedding.clone().oneshot(request()));
    assert!(busy.poll().is_pending());
    let beneath = layer(&tokens).layer(shedding);
    let error = beneath.oneshot(request()).await.unwrap_err();
    assert!(error.is::<Overloaded>());
}

#[tokio::test(start_paused = true)]
async fn one_layer_on_each_endpoint_of_a_balance_shares_one_token() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let (one, other) = (Api::default(), Api::default());
    let endpoints = [&one, &other].map(|api| Constant::new(layer.layer(api.clone()), 1));
    let balanced = Balance::new(ServiceList::new::<Request<()>>(endpoints));
    let service = ServiceBuilder::new().buffer(8).service(balanced);
    for _ in 0..50 {
        service.clone().oneshot(request()).await.unwrap();
    }
    assert!(!one.seen().is_empty() && !other.seen().is_empty());
    assert_eq!(tokens.exchanges(), 1);

    // Above the balance, which is behind a buffer, as it is not `Clone`.
    let endpoints = [&one, &other].map(|api| Constant::new(api.clone(), 1));
    let balanced = Balance::new(ServiceList::new::<Request<()>>(endpoints));
    let service = ServiceBuilder::new()
        .layer(layer)
        .buffer(8)
        .service(balanced);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(sent(&response), "t1");
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_layers_the_inner_ones_token_is_sent() {
    let (outer, inner) = (Tokens::new(), Tokens::new());
    inner
        .answer(|n| async move { Ok(fiskil_auth::Token::new(format!("inner{n}"), 900 * SECOND)?) });
    let service = ServiceBuilder::new()
        .layer(layer(&outer))
        .layer(layer(&inner))
        .service(Api::default());
    assert_eq!(sent(&service.oneshot(request()).await.unwrap()), "inner1");
    assert_eq!((outer.exchanges(), inner.exchanges()), (1, 1));

    // The same layer twice costs nothing but the second insert.
    let tokens = Tokens::new();
    let twice = layer(&tokens);
    let service = ServiceBuilder::new()
        .layer(twice.clone())
        .layer(twice)
        .service(Api::default());
    assert_eq!(sent(&service.oneshot(request()).await.unwrap()), "t1");
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_never_ready_starts_no_fetch() {
    let tokens = Tokens::new();
    let (service, mut api) = tower_test::mock::pair::<Request<()>, Response<()>>();
    api.allow(0);
    let mut service = layer(&tokens).layer(service);
    let mut ready = tokio_test::task::spawn(service.ready());
    assert!(ready.poll().is_pending());
    assert_eq!(tokens.exchanges(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_got_busy_during_the_wait_is_waited_for_without_limit() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let limited = tower::limit::ConcurrencyLimit::new(Api::default(), 1);
    let mut service = layer.layer(limited.clone());
    let call = service.ready().await.unwrap().call(request());
    let mut holder = limited;
    let mut call = tokio_test::task::spawn(call);
    assert!(call.poll().is_pending());
    holder.ready().await.unwrap();
    tokio::time::sleep(60 * SECOND).await;
    // A limit for this is the caller's to set: a timeout above the layer.
    assert!(call.poll().is_pending());
    assert_eq!(layer.tokens().status().waiting, 0);
    drop(holder);
    let Poll::Ready(Ok(response)) = call.poll() else {
        panic!("it waits, though the permit is free");
    };
    assert_eq!(sent(&response), "t1");
    assert!(response.extensions().get::<Error>().is_none());
}
