//! gRPC over tonic, client and server side: what failures look like, what
//! rejects a token, and that messages pass as they come.
//!
//! Guarantees 5 (a 401 concerns its token only), for status 16, and 11 (the token
//! goes to allowed origins only), for a server.
//!
//! Mutations caught: failures answered as HTTP to gRPC requests; the message left
//! out; status 16 not looked for in the trailers, or not in the headers; a
//! rejection at the first frame; trailers swallowed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;
#[path = "support/text.rs"]
mod text;
#[path = "support/grpc.rs"]
mod wire;

use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, FiskilAuth, FiskilAuthLayer, Token};
use futures_util::{StreamExt, stream};
use http::{Request, StatusCode};
use support::{Tokens, credentials, layer, settle};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, Server};
use tower::{Layer, ServiceBuilder, ServiceExt};
use wire::{EchoServer, channel, chat, echo, listen};

/// A channel beneath a layer whose token is `t2`: the server rejects `t1`.
async fn with_t2() -> (FiskilAuthLayer, FiskilAuth<Channel>) {
    let layer = layer(&Tokens::new());
    layer.tokens().token().await.unwrap();
    layer.tokens().refresh().await.unwrap();
    let service = layer.layer(channel().await);
    (layer, service)
}

#[tokio::test]
async fn a_tonic_channel_carries_the_token() {
    let (_layer, service) = with_t2().await;
    assert_eq!(echo(service).await.unwrap(), "t2");
}

#[tokio::test]
async fn the_default_layer_goes_around_a_tonic_channel() {
    let credentials = || async { Err::<Credentials, BoxError>("no vault today".into()) };
    let service = ServiceBuilder::new()
        .layer(FiskilAuthLayer::new(credentials))
        .service(channel().await);
    let status = echo(service).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let expected = "credentials provider failed";
    assert!(status.message().contains(expected), "{status}");
}

#[tokio::test]
async fn a_permanent_failure_is_unauthenticated_to_tonic() {
    let service = ServiceBuilder::new()
        .layer(FiskilAuthLayer::new(Credentials::new("", "secret")))
        .service(channel().await);
    let status = echo(service).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("client id is empty"), "{status}");
}

#[tokio::test]
async fn a_streaming_call_that_gets_no_token_fails_at_its_start() {
    let tokens = Tokens::new();
    tokens.answer(|_| async { Err(Token::new("", Duration::ZERO).unwrap_err().into()) });
    let service = layer(&tokens).layer(channel().await);
    let status = chat(service, stream::pending()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "the token is empty (again in 2 s)");
}

#[tokio::test]
async fn status_16_of_a_unary_call_rejects_the_token() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let service = layer.layer(channel().await);
    let status = echo(service.clone()).await.unwrap_err();
    // The server's own status, unchanged.
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "rejected")
    );
    assert_eq!(echo(service).await.unwrap(), "t2");
    assert_eq!(layer.tokens().status().rejections, 1);
}

#[tokio::test]
async fn status_16_at_the_end_of_a_stream_rejects_the_token() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let service = layer.layer(channel().await);
    let messages = stream::iter(["one".to_owned(), "two".to_owned()]);
    let answers = chat(service.clone(), messages).await.unwrap();
    let answers: Vec<_> = answers.collect().await;
    let [one, two, end] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (one.as_deref().unwrap(), two.as_deref().unwrap()),
        ("one", "two")
    );
    assert_eq!(end.as_ref().unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(echo(service).await.unwrap(), "t2");
    assert_eq!(layer.tokens().status().rejections, 1);
}

/// Sends one message at a time, each only after the one before was answered.
async fn converse<S>(service: S)
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
    S::Error: std::fmt::Debug,
{
    let (send, messages) = mpsc::channel::<String>(1);
    let messages = stream::unfold(messages, async |mut messages| {
        let next = messages.recv().await?;
        Some((next, messages))
    });
    let conversation = async {
        // The server answers at once, but a client may have to send first.
        send.send("0".to_owned()).await.unwrap();
        let mut answers = chat(service, messages).await.unwrap();
        for n in 1..=20 {
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer, (n - 1).to_string());
            send.send(n.to_string()).await.unwrap();
        }
        assert_eq!(answers.next().await.unwrap().unwrap(), "20");
        drop(send);
        assert!(answers.next().await.is_none());
    };
    // A message that is held back fails the test, instead of hanging it.
    timeout(Duration::from_secs(30), conversation)
        .await
        .unwrap();
}

#[tokio::test]
async fn messages_pass_both_ways_as_they_come() {
    let (_layer, service) = with_t2().await;
    converse(service).await;
}

/// A channel to a server whose requests pass through the layer.
async fn server_beneath(layer: FiskilAuthLayer) -> Channel {
    let (incoming, channel) = listen().await;
    let server = Server::builder()
        // Over HTTP/2 a request names the server that it came to.
        .layer(layer.inbound())
        .add_service(EchoServer);
    tokio::spawn(server.serve_with_incoming(incoming));
    channel
}

#[tokio::test]
async fn messages_pass_both_ways_through_a_layer_on_the_server() {
    let layer = layer(&Tokens::new());
    layer.tokens().token().await.unwrap();
    layer.tokens().refresh().await.unwrap();
    let channel = server_beneath(layer).await;
    assert_eq!(echo(channel.clone()).await.unwrap(), "t2");
    converse(channel).await;
}

#[tokio::test]
async fn callers_of_a_server_see_why_it_has_no_token() {
    let layer = FiskilAuthLayer::with_token_service(Credentials::new("id", ""), Tokens::new());
    let status = echo(server_beneath(layer).await).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(
        status.message().contains("client secret is empty"),
        "{status}"
    );
}

#[tokio::test]
async fn on_a_server_over_http_2_requests_name_the_server_and_are_refused() {
    let tokens = Tokens::new();
    let (incoming, channel) = listen().await;
    let server = Server::builder()
        .layer(layer(&tokens))
        .add_service(EchoServer);
    tokio::spawn(server.serve_with_incoming(incoming));
    let status = echo(channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("inbound"), "{status}");
    assert_eq!(tokens.exchanges(), 0);
}

#[tokio::test]
async fn the_message_is_the_errors_own_text() {
    let tokens = Tokens::new();
    let provider = || async { Err::<Credentials, BoxError>("the vault is sealed".into()) };
    let failing = FiskilAuthLayer::with_token_service(provider, tokens);
    let request = Request::post("/").header("content-type", "application/grpc");
    let response = failing
        .layer(EchoServer)
        .oneshot(request.body(tonic::body::Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    let error: &fiskil_auth::Error = response.extensions().get().unwrap();
    assert_eq!(status.message(), error.to_string());
}

#[tokio::test]
async fn a_stream_dropped_midway_does_not_reject_the_token() {
    let tokens = Tokens::new();
    let layer = FiskilAuthLayer::with_token_service(credentials(), tokens.clone());
    let service = layer.layer(channel().await);
    let first = stream::iter(["one".to_owned()]).chain(stream::pending());
    let mut answers = chat(service, first).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap(), "one");
    drop(answers);
    settle().await;
    assert_eq!(layer.tokens().status().rejections, 0);
    assert_eq!(tokens.exchanges(), 1);
}
