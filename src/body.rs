//! The response body, and what its trailers say of the token.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::cache::Mark;
use crate::grpc::Verdict;

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
        watched: Option<Mark>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner: Some(inner),
            watched: None,
        }
    }

    /// Looks in its trailers for a rejection of the token of `mark`.
    pub(crate) fn watch(&mut self, mark: Mark) {
        self.watched = Some(mark);
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
        let passed = frame.as_ref().and_then(|frame| frame.as_ref().ok());
        if let Some(trailers) = passed.and_then(Frame::trailers_ref) {
            let watched = this.watched.take();
            let rejects = |_: &Mark| Verdict::of(trailers) == Verdict::Unauthenticated;
            if let Some(mark) = watched.filter(rejects) {
                mark.reject();
            }
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
