//! The layer on a client whose requests are not `http::Request`.
//! By its path, since of a method call the compiler says only that it is not there.
//~ expected function signature `fn(http::Request<_>) -> _`
//~ to implement `Service<http::Request<_>>`

use fiskil_auth::{Credentials, FiskilAuthLayer};
use tower::{Layer, ServiceExt, service_fn};

struct Request;

fn main() {
    let client = service_fn(async |_: Request| Ok::<_, std::io::Error>(http::Response::new(())));
    let service = FiskilAuthLayer::new(Credentials::new("id", "secret")).layer(client);
    drop(ServiceExt::oneshot(service, Request));
}
