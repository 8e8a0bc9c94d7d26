//! A retry policy of a user's own.

use std::future::{Ready, ready};

use http::{Request, Response};
use tower::retry::Policy;

/// Sends a request again after a 5xx, so many times at most.
#[derive(Clone)]
pub struct RetryServerErrors(pub u8);

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for RetryServerErrors {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<Ready<()>> {
        let failed = result.as_ref().is_ok_and(|r| r.status().is_server_error());
        self.0 = self.0.checked_sub(u8::from(failed))?;
        failed.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
