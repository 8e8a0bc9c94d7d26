//! An inner service that is not `Clone`.
//~ the trait bound `Client: Clone` is not satisfied
//~ required for `FiskilAuthLayer` to implement `Layer<Client>`

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use fiskil_auth::{Credentials, FiskilAuthLayer};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

struct Client;

impl Service<Request<()>> for Client {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

fn main() {
    let service = FiskilAuthLayer::new(Credentials::new("id", "secret")).layer(Client);
    drop(service.oneshot(Request::new(())));
}
