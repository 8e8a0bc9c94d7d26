//! A token endpoint that gives the answers it is told to, by a plain service in
//! an HTTP client's place.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use fiskil_auth::{BoxError, Error, Token, TokenClient, TokenRequest};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceExt};

/// Gives its nth answer to the nth exchange, and panics at one more.
pub struct Endpoint<B>(Arc<Mutex<VecDeque<Response<B>>>>);

/// A token client whose exchanges get these answers, one after the other.
pub fn answering<B>(answers: impl IntoIterator<Item = Response<B>>) -> TokenClient<Endpoint<B>> {
    let answers = answers.into_iter().collect();
    TokenClient::new(Endpoint(Arc::new(Mutex::new(answers))))
}

/// An answer with this status and body.
pub fn response(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response.body(Full::new(body.into())).unwrap()
}

/// What comes of one exchange that gets this answer.
pub async fn exchange<B>(request: TokenRequest, answer: Response<B>) -> Result<Token, Error>
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    answering([answer]).oneshot(request).await
}

impl<B> Clone for Endpoint<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, B> Service<Request<Q>> for Endpoint<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Q>) -> Self::Future {
        let answer = self.0.lock().unwrap().pop_front();
        ready(Ok(answer.expect("no more exchanges than answers")))
    }
}
