//! The response body, and the response that a failure becomes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::cache::CachedToken;
use crate::{Error, ErrorKind};

pin_project! {
    /// The inner service's response body; empty where this crate failed the
    /// request.
    ///
    /// Passes all data through. In gRPC answers it looks at the trailers, for a
    /// status that rejects the token.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
        // The token that the request carried, while its trailers may reject it.
        watched: Option<Arc<CachedToken>>,
    }
}

impl<B> ResponseBody<B> {
    fn new(inner: B, watched: Option<Arc<CachedToken>>) -> Self {
        Self {
            inner: Some(inner),
            watched,
        }
    }
}

impl<B> Default for ResponseBody<B> {
    /// An empty body, whatever `B` is: layers that answer by themselves, such
    /// as tower-http's timeout, ask for it.
    fn default() -> Self {
        Self {
            inner: None,
            watched: None,
        }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(inner.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
            && let Some(token) = this.watched.take()
            && is_grpc_rejection(trailers)
        {
            token.reject();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// Left on an answer that rejected a token of ours, where a request that is sent
/// again would carry another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnotherToken;

/// The inner service's answer to a request, and what it says of the `token`
/// that the request carried.
pub(crate) fn pass<B>(
    response: Response<B>,
    token: Option<Arc<CachedToken>>,
) -> Response<ResponseBody<B>> {
    let grpc = response.status() == StatusCode::OK && is_grpc(response.headers());
    let rejected = response.status() == StatusCode::UNAUTHORIZED
        || grpc && is_grpc_rejection(response.headers());
    // An answer with our own error is a failure of another layer's exchange.
    let token = token
        .filter(|_| grpc || rejected)
        .filter(|_| response.extensions().get::<Error>().is_none());
    let another = rejected && token.as_ref().is_some_and(|token| token.reject());
    let mut response = response.map(|body| ResponseBody::new(body, token.filter(|_| !rejected)));
    if another {
        response.extensions_mut().insert(AnotherToken);
    }
    response
}

/// The response that `error` becomes, in the form that the caller understands.
/// Never a 401: a retry on that would loop.
pub(crate) fn failure<B>(error: Error, grpc: bool) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::default());
    let headers = response.headers_mut();
    if grpc {
        let status = if error.is_transient() {
            GRPC_UNAVAILABLE
        } else {
            GRPC_UNAUTHENTICATED
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
        if let Ok(message) = HeaderValue::from_str(&percent_encode(&error.to_string())) {
            headers.insert(GRPC_MESSAGE, message);
        }
    } else {
        let status = if error.kind() == ErrorKind::Timeout {
            StatusCode::GATEWAY_TIMEOUT
        } else if error.is_transient() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::BAD_GATEWAY
        };
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(left) = error.retry_after()
        {
            // Rounded up: a client that is told 0 comes back too early.
            let seconds = left
                .as_secs()
                .saturating_add(u64::from(left.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, seconds.into());
        }
        *response.status_mut() = status;
    }
    response.extensions_mut().insert(error);
    response
}

/// Whether the message with these headers is gRPC: `application/grpc`, with or
/// without a suffix.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let prefix = value.as_bytes().get(..GRPC.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(GRPC.as_bytes()))
    })
}

fn is_grpc_rejection(headers: &HeaderMap) -> bool {
    headers
        .get(GRPC_STATUS)
        .is_some_and(|status| status == GRPC_UNAUTHENTICATED)
}

/// As `grpc-message` wants it: visible ASCII and spaces but for `%`, all else
/// percent-encoded (gRPC over HTTP/2, "Responses").
fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

const GRPC: &str = "application/grpc";
const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";
const GRPC_UNAVAILABLE: &str = "14";
const GRPC_UNAUTHENTICATED: &str = "16";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_message_survives_percent_signs_and_what_is_not_ascii() {
        let encoded = percent_encode("100 % schön\n~");
        assert_eq!(encoded, "100 %25 sch%C3%B6n%0A~");
    }
}
