//! `RetryUnauthorized::new()` for bodies that can't be cloned, such as axum's.
//! By its path, since of a method call the compiler says only that it is not there.
//~ a request with a body of type `Body` can't be sent a second time
//~ `RetryUnauthorized::with_body`

use std::convert::Infallible;

use axum::body::Body;
use fiskil_auth::retry::RetryUnauthorized;
use fiskil_auth::{Credentials, FiskilAuthLayer};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt, service_fn};

fn main() {
    let client = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(())));
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new())
        .layer(FiskilAuthLayer::new(Credentials::new("id", "secret")))
        .service(client);
    drop(ServiceExt::oneshot(service, Request::new(Body::empty())));
}
