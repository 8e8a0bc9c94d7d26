//! What tonic's code generator makes of a service with one call: it answers with
//! how the caller was authorized.
#![allow(unreachable_pub)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::StdError;
use tonic::server::{NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tower::Service;

use crate::text::Text;

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
