//! A tonic client that streams in both directions: each call carries a token, a missing
//! one is an ordinary `Status`, and a rejected one is renewed.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add bytes http tonic
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! Fiskil's API does not speak gRPC: a server on loopback, behind the tokens of a
//! sandbox, stands in for an API that does.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, FiskilAuth, FiskilAuthLayer};
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::tokio_stream::{Stream, StreamExt, iter, wrappers::ReceiverStream};
use tonic::codegen::{BoxFuture, BoxStream};
use tonic::server::{NamedService, StreamingService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::layer::layer_fn;
use tower::{Service, ServiceBuilder};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::new();
    let channel = serve(&sandbox).await?;

    // One layer around the channel; a generated client takes it as it is. With real
    // credentials, `FiskilAuthLayer::from_env()?` is in the place of `sandbox.layer()`.
    let api = ServiceBuilder::new()
        .layer(sandbox.layer())
        .service(channel.clone());

    println!("1. A call that streams in both directions");
    let (messages, receiver) = mpsc::channel(1);
    let mut answers = shout(api.clone(), ReceiverStream::new(receiver)).await?;
    for message in ["hello", "is there anybody"] {
        messages.send(message.to_owned()).await?;
        let answer = answers.message().await?.ok_or("no answer")?;
        println!("   {message}: {answer}");
        assert_eq!(answer, message.to_uppercase());
    }
    drop(messages);
    assert_eq!(answers.message().await?, None);

    println!("2. The token is revoked, and the server rejects it");
    sandbox.revoke_tokens();
    let status = refused(shout(api.clone(), iter(["hello".to_owned()])).await)?;
    println!("   {:?}: {}", status.code(), status.message());
    assert_eq!(status.code(), Code::Unauthenticated);
    shout(api, iter(["hello".to_owned()])).await?;
    println!("   the next call carries another one");
    assert_eq!(sandbox.counts().issued, 2);

    println!("3. No token can be had");
    let layer = FiskilAuthLayer::new(|| async { Err::<_, &str>("the vault is sealed") });
    let api = ServiceBuilder::new().layer(layer).service(channel);
    let status = refused(shout(api, iter(["hello".to_owned()])).await)?;
    println!("   {:?}: {}", status.code(), status.message());
    // tonic's retries and load balancers know what that means.
    assert_eq!(status.code(), Code::Unavailable);
    Ok(())
}

/// As the method of a generated client does it.
async fn shout(
    api: FiskilAuth<Channel>,
    messages: impl Stream<Item = String> + Send + 'static,
) -> Result<Streaming<String>, Status> {
    let mut grpc = Grpc::new(api);
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/example.Shout/Shout");
    let response = grpc.streaming(Request::new(messages), path, Text).await?;
    Ok(response.into_inner())
}

fn refused<T>(result: Result<T, Status>) -> Result<Status, BoxError> {
    result.err().ok_or("the call succeeded".into())
}

// What follows, tonic's code generator writes for you.

/// `rpc Shout(stream Text) returns (stream Text)`
#[derive(Clone)]
struct Shout;

async fn serve(sandbox: &Sandbox) -> Result<Channel, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = Endpoint::new(format!("http://{}", listener.local_addr()?))?;
    let sandbox = sandbox.clone();
    let server = Server::builder()
        .layer(layer_fn(move |routes| sandbox.guard(routes)))
        .add_service(Shout);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(endpoint.connect_lazy())
}

impl NamedService for Shout {
    const NAME: &'static str = "example.Shout";
}

impl StreamingService<String> for Shout {
    type Response = String;
    type ResponseStream = BoxStream<String>;
    type Future = Ready<Result<Response<BoxStream<String>>, Status>>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let messages = request.into_inner();
        let answers = messages.map(|message| message.map(|text| text.to_uppercase()));
        ready(Ok(Response::new(Box::pin(answers))))
    }
}

impl Service<http::Request<Body>> for Shout {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async {
            let mut grpc = tonic::server::Grpc::new(Text);
            Ok(grpc.streaming(Shout, request).await)
        })
    }
}

/// Messages that are plain text, in the place of protobuf's.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|_| Status::internal("not Unicode"))
    }
}
