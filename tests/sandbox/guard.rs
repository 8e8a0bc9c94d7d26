//! Routes of a user's own behind a sandbox's tokens.
//!
//! Mutations caught: a request without a live token that reaches the routes; a body
//! that is collected, or loses its trailers; gRPC callers answered in HTTP's way; a
//! permit kept by a request that was refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use axum::{Router, routing::get};
use bytes::Bytes;
use fiskil_auth::retry::RetryUnauthorized;
use fiskil_auth::sandbox::Sandbox;
use futures_util::{StreamExt, stream};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_test::assert_pending;
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::layer::layer_fn;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::caller::{Answer, fetch_token};
use crate::wire::{EchoServer, chat, echo, listen};

/// Routes, and how many requests reached them.
fn routes() -> (Router, Arc<AtomicU32>) {
    let reached = Arc::new(AtomicU32::new(0));
    let count = reached.clone();
    let accounts = move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { "one, two" }
    };
    let echo = async |request: Request| Response::new(request.into_body());
    let routes = Router::new()
        .route("/v1/accounts", get(accounts))
        .route("/v1/echo", post(echo));
    (routes, reached)
}

fn accounts(authorization: &str) -> Request {
    let request = Request::get("/v1/accounts").header(AUTHORIZATION, authorization);
    request.body(Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_keeps_no_permit_of_the_routes() {
    let sandbox = Sandbox::new();
    let limited = ConcurrencyLimit::new(routes().0, 1);
    let mut refuses = sandbox.guard(limited);
    let other = refuses.clone();
    let ready = ServiceExt::<Request>::ready(&mut refuses).await.unwrap();
    let refused = ready.call(accounts("Bearer none"));
    assert_eq!(refused.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // `refuses` is still alive.
    let token = fetch_token(&sandbox).await;
    let answer = timeout(
        Duration::from_secs(1),
        other.oneshot(accounts(&format!("Bearer {token}"))),
    );
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    drop(refuses);
}

#[tokio::test(start_paused = true)]
async fn only_requests_with_a_live_token_reach_the_routes() {
    let sandbox = Sandbox::new();
    let (routes, reached) = routes();
    let guarded = sandbox.guard(routes);
    let token = fetch_token(&sandbox).await;
    let pair = sandbox.add_pair();

    let dead = fetch_token(&sandbox).await;
    sandbox.revoke_tokens();
    let live = fetch_token(&sandbox).await;
    for token in [&token, &dead, "unknown"] {
        let request = accounts(&format!("Bearer {token}"));
        let answer = guarded.clone().oneshot(request).await.unwrap();
        let answer = Answer::read(answer).await;
        answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    assert_eq!(reached.load(Ordering::Relaxed), 0);

    let request = accounts(&format!("Bearer {live}"));
    let answer = guarded.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "one, two");
    assert_eq!(reached.load(Ordering::Relaxed), 1);
    let counts = sandbox.counts();
    assert_eq!((counts.requests, counts.unauthorized), (4, 3));
    assert_eq!(pair.counts().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn every_nth_request_to_guarded_routes_is_rejected_on_demand() {
    let sandbox = Sandbox::new();
    let (routes, reached) = routes();
    let guarded = sandbox.guard(routes);
    let token = fetch_token(&sandbox).await;
    sandbox.reject_every_nth_request(2);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let request = accounts(&format!("Bearer {token}"));
        let answer = guarded.clone().oneshot(request).await.unwrap();
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 401, 200, 401]);
    assert_eq!(reached.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn guarded_routes_tell_their_callers_pair_in_the_log() {
    let sandbox = Sandbox::new();
    let pair = sandbox.add_pair();
    let api = sandbox
        .layer_for(pair.credentials())
        .layer(sandbox.guard(routes().0));
    let answer = api.oneshot(accounts("Bearer mine")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(pair.counts().requests, 1);
    let line = format!(
        "GET /v1/accounts by {}: let in",
        pair.credentials().client_id()
    );
    assert!(sandbox.log().to_string().contains(&line));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_renewed_for_guarded_routes() {
    let sandbox = Sandbox::new();
    let api = ServiceBuilder::new()
        .retry(RetryUnauthorized::with_body(|_: &Body| Some(Body::empty())))
        .layer(sandbox.layer())
        .service(sandbox.guard(routes().0));
    for revoked in 0..3 {
        let answer = api.clone().oneshot(accounts("")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(sandbox.counts().unauthorized, revoked);
        sandbox.revoke_tokens();
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_pass_in_both_directions_as_they_stream() {
    let sandbox = Sandbox::new();
    let api = sandbox.layer().layer(sandbox.guard(routes().0));
    let (sender, receiver) = mpsc::unbounded_channel::<Frame<Bytes>>();
    let frames = stream::unfold(receiver, async |mut receiver| {
        let frame = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(frame), receiver))
    });
    let request = Request::post("/v1/echo").body(Body::new(StreamBody::new(frames.boxed())));
    let mut body = api.oneshot(request.unwrap()).await.unwrap().into_body();

    for message in ["one", "two"] {
        {
            let mut frame = tokio_test::task::spawn(body.frame());
            assert_pending!(frame.poll());
        }
        sender.send(Frame::data(message.into())).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), message);
    }
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "2".parse().unwrap())]);
    sender.send(Frame::trailers(trailers)).unwrap();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap()["x-sum"], "2");
    drop(sender);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn tonics_routes_as_a_whole_can_be_guarded() {
    let sandbox = Sandbox::new();
    let guarded = sandbox.guard(Routes::new(EchoServer).prepare());
    let status = echo(guarded.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "missing, invalid or expired token");

    let api = sandbox.layer().layer(guarded);
    let token = echo(api).await.unwrap();
    assert_eq!(token.len(), 350);
}

#[tokio::test]
async fn a_tonic_server_behind_the_guard_streams_and_rejects_in_grpcs_way() {
    let sandbox = Sandbox::new();
    let (incoming, channel) = listen().await;
    let guard = sandbox.clone();
    let server = Server::builder()
        .layer(layer_fn(move |routes| guard.guard(routes)))
        .add_service(EchoServer);
    tokio::spawn(server.serve_with_incoming(incoming));

    let status = echo(channel.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);

    let api = sandbox.layer().layer(channel);
    let (sender, receiver) = mpsc::unbounded_channel();
    let messages = stream::unfold(receiver, async |mut receiver| {
        let message: String = receiver.recv().await?;
        Some((message, receiver))
    });
    let mut answers = chat(api.clone(), messages.boxed()).await.unwrap();
    for message in ["one", "two"] {
        sender.send(message.to_owned()).unwrap();
        let answer = timeout(PATIENCE, answers.message()).await.unwrap();
        assert_eq!(answer.unwrap().as_deref(), Some(message));
    }
    // A token that dies in the middle of a call ends no call.
    sandbox.revoke_tokens();
    sender.send("three".to_owned()).unwrap();
    let answer = timeout(PATIENCE, answers.message()).await.unwrap();
    assert_eq!(answer.unwrap().as_deref(), Some("three"));
    drop(sender);
    assert_eq!(answers.message().await.unwrap(), None);

    assert_eq!(
        echo(api.clone()).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    assert_eq!(echo(api).await.unwrap().len(), 350);
}

/// For what takes no time at all.
const PATIENCE: Duration = Duration::from_secs(30);
