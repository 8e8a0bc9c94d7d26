//! What tonic's code generator would make of a service with one call, which
//! answers with how the caller was authorized. Its messages are plain text, so
//! that no protobuf compiler is needed.
#![allow(unreachable_pub)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::StdError;
use tonic::server::{NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tower::Service;

pub struct WhoAmIClient<T> {
    inner: Grpc<T>,
}

impl<T> WhoAmIClient<T>
where
    T: GrpcService<Body, Error: Into<StdError>>,
    T::ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    pub fn new(service: T) -> Self {
        let inner = Grpc::new(service);
        Self { inner }
    }

    pub async fn who_am_i(&mut self) -> Result<String, Status> {
        let ready = self.inner.ready().await;
        ready.map_err(|error| Status::unknown(error.into().to_string()))?;
        let path = PathAndQuery::from_static("/example.WhoAmI/WhoAmI");
        let request = Request::new(String::new());
        Ok(self.inner.unary(request, path, Text).await?.into_inner())
    }
}

#[derive(Clone, Debug, Default)]
pub struct WhoAmI {
    reject: Arc<AtomicBool>,
}

impl WhoAmI {
    pub fn reject_next(&self) {
        self.reject.store(true, Ordering::Relaxed);
    }
}

impl NamedService for WhoAmI {
    const NAME: &'static str = "example.WhoAmI";
}

impl UnaryService<String> for WhoAmI {
    type Response = String;
    type Future = Ready<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        if self.reject.swap(false, Ordering::Relaxed) {
            return ready(Err(Status::unauthenticated("this token is not known")));
        }
        let value = request.metadata().get("authorization");
        let value = value.and_then(|value| value.to_str().ok());
        ready(Ok(Response::new(
            match value.and_then(|v| v.split_once(' ')) {
                Some((scheme, token)) => format!("{scheme} and {} characters", token.len()),
                None => "nothing".to_owned(),
            },
        )))
    }
}

impl Service<http::Request<Body>> for WhoAmI {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async { Ok(tonic::server::Grpc::new(Text).unary(this, request).await) })
    }
}

#[derive(Clone, Copy, Debug, Default)]
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
