//! A gRPC server and its client, with strings as messages.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fiskil_auth::BoxError;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use http::uri::PathAndQuery;
use http::{Request, Response};
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::server::{NamedService, StreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, server::TcpIncoming};
use tonic::{Status, Streaming};
use tower::Service;

use crate::support::carried;
use crate::text::Text;

/// A gRPC server. `/test.Echo/Echo` answers with the token that the request
/// carried, `/test.Echo/Chat` with each message as it comes; both reject the
/// token `t1`: the one in the headers, the other in the trailers.
#[derive(Clone, Copy, Debug)]
pub struct EchoServer;

impl NamedService for EchoServer {
    const NAME: &'static str = "test.Echo";
}

impl UnaryService<String> for EchoServer {
    type Response = String;
    type Future = std::future::Ready<Result<tonic::Response<String>, Status>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        ready(match carried(request.metadata().as_ref()) {
            token if token == "t1" => Err(Status::unauthenticated("rejected")),
            token => Ok(tonic::Response::new(token)),
        })
    }
}

impl StreamingService<String> for EchoServer {
    type Response = String;
    type ResponseStream = BoxStream<'static, Result<String, Status>>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<String>>) -> Self::Future {
        let rejected = carried(request.metadata().as_ref()) == "t1";
        let end = rejected.then(|| Err(Status::unauthenticated("rejected")));
        let messages = request.into_inner().chain(stream::iter(end));
        ready(Ok(tonic::Response::new(messages.boxed())))
    }
}

impl Service<Request<Body>> for EchoServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            Ok(if request.uri().path() == CHAT {
                grpc.streaming(Self, request).await
            } else {
                grpc.unary(Self, request).await
            })
        })
    }
}

/// A port of loopback to listen on, and a channel to it.
pub async fn listen() -> (TcpIncoming, Channel) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::new(format!("http://{address}")).unwrap();
    (TcpIncoming::from(listener), endpoint.connect_lazy())
}

/// A channel to an [`EchoServer`].
pub async fn channel() -> Channel {
    let (incoming, channel) = listen().await;
    let server = tonic::transport::Server::builder().add_service(EchoServer);
    tokio::spawn(server.serve_with_incoming(incoming));
    channel
}

/// What `/test.Echo/Echo` answers.
pub async fn echo<S>(service: S) -> Result<String, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    S::Error: std::fmt::Debug,
{
    let mut client = Grpc::new(service);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(ECHO);
    let request = tonic::Request::new("hello".to_owned());
    let response = client.unary(request, path, Text).await?;
    Ok(response.into_inner())
}

/// What `/test.Echo/Chat` answers.
pub async fn chat<S>(
    service: S,
    messages: impl Stream<Item = String> + Send + 'static,
) -> Result<Streaming<String>, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    S::Error: std::fmt::Debug,
{
    let mut client = Grpc::new(service);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(CHAT);
    let request = tonic::Request::new(messages);
    Ok(client.streaming(request, path, Text).await?.into_inner())
}

const ECHO: &str = "/test.Echo/Echo";
const CHAT: &str = "/test.Echo/Chat";
