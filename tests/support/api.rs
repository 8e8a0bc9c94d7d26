//! An API that shows what reached it, and its answers as tests look at them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use fiskil_auth::Error;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::BodyExt;
use tower::Service;

/// An API that answers as it is told to, and says what each request carried.
#[derive(Clone, Default)]
pub struct Api {
    state: Arc<Mutex<ApiState>>,
}

#[derive(Default)]
struct ApiState {
    seen: Vec<String>,
    status: Option<StatusCode>,
}

impl Api {
    pub fn answer(&self, status: StatusCode) {
        self.state.lock().unwrap().status = Some(status);
    }

    /// What the requests carried so far.
    pub fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl Service<Request<()>> for Api {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut state = self.state.lock().unwrap();
        let carried = carried(request.headers());
        state.seen.push(carried.clone());
        let mut response = Response::new(());
        let header = HeaderValue::from_str(&carried).unwrap();
        response.headers_mut().insert("x-carried", header);
        *response.status_mut() = state.status.unwrap_or(StatusCode::OK);
        std::future::ready(Ok(response))
    }
}

/// The token that a request carries, or `nothing`.
pub fn carried(headers: &HeaderMap) -> String {
    let value = headers.get(AUTHORIZATION).map(|v| v.to_str().unwrap());
    let value = value.unwrap_or("nothing");
    value.strip_prefix("Bearer ").unwrap_or(value).to_owned()
}

/// What the API saw of the request that it answered with `response`.
pub fn sent<B>(response: &Response<B>) -> &str {
    response
        .headers()
        .get("x-carried")
        .unwrap()
        .to_str()
        .unwrap()
}

/// Why the request that was answered with `response` got no token.
#[track_caller]
pub fn error<B>(response: &Response<B>) -> &Error {
    response
        .extensions()
        .get()
        .expect("an answer of the layer's own")
}

/// The body of an answer.
pub async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
