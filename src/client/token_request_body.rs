//! The body of a token request, which has the client secret in it.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use zeroize::Zeroizing;

/// The body of the request that [`TokenClient`](crate::TokenClient) sends: JSON,
/// with the client id and the client secret in it.
///
/// `Debug` doesn't show it, so that no layer which logs requests does. A clone
/// shares the memory, which is wiped when the last one is dropped, and the last
/// frame of its bytes.
///
/// An HTTP client with bodies of its own can take it as the [`Body`] that it is,
/// as with reqwest's `Body::wrap`, or its [bytes](Self::as_bytes).
#[derive(Clone)]
pub struct TokenRequestBody {
    bytes: Bytes,
}

impl TokenRequestBody {
    pub(super) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            bytes: Bytes::from_owner(bytes),
        }
    }

    /// What is left to send: all of it, before the body is polled.
    ///
    /// A clone of the [`Bytes`] shares their memory, a copy is not wiped. They
    /// hold the secret, and print it.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Body for TokenRequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for TokenRequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequestBody").finish_non_exhaustive()
    }
}
