//! Users' own routes behind a sandbox's tokens.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::admission::{Verdict, bearer_token};
use super::log::Seen;
use super::shared::Shared;
use super::{SandboxBody, answer};
use crate::grpc::{self, Protocol};

/// A service that only requests with a live token of a sandbox reach: see
/// [`Sandbox::guard`](super::Sandbox::guard).
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use fiskil_auth::sandbox::{Guarded, Sandbox};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let routes = Router::new().route("/v1/accounts", get(async || "one, two"));
/// let guarded: Guarded<Router> = Sandbox::new().guard(routes);
///
/// let request = Request::get("/v1/accounts").body(Body::empty())?;
/// let answer = guarded.oneshot(request).await?;
/// assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    shared: Shared,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, shared: Shared) -> Self {
        Self { inner, shared }
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = GuardedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let verdict = {
            let (mut state, now) = (self.shared.lock(), Instant::now());
            let admission = state.judge(bearer_token(request.headers()), now);
            state.note_request(Seen::of(&request), admission, now);
            admission.verdict
        };
        let kind = match verdict {
            Verdict::LetIn => FutureKind::Inner {
                future: self.inner.call(request),
            },
            _ => {
                // What it readied must not be kept from others.
                self.inner = self.inner.clone();
                FutureKind::Refused {
                    protocol: Protocol::of(request.headers()),
                }
            }
        };
        GuardedFuture { kind }
    }
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

pin_project! {
    /// The answer of a [`Guarded`] service.
    pub struct GuardedFuture<F> {
        #[pin]
        kind: FutureKind<F>,
    }
}

pin_project! {
    #[project = FutureKindProjection]
    enum FutureKind<F> {
        Inner {
            #[pin]
            future: F,
        },
        Refused {
            protocol: Protocol,
        },
    }
}

impl<F, R, E> Future for GuardedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<GuardedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            FutureKindProjection::Inner { future } => future
                .poll(cx)
                .map_ok(|response| response.map(GuardedBody::passed)),
            FutureKindProjection::Refused { protocol } => Poll::Ready(Ok(refusal(*protocol))),
        }
    }
}

impl<F> fmt::Debug for GuardedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedFuture").finish_non_exhaustive()
    }
}

fn refusal<R>(protocol: Protocol) -> Response<GuardedBody<R>> {
    match protocol {
        Protocol::Http => answer::unauthorized().map(GuardedBody::own),
        Protocol::Grpc => {
            let mut response = Response::new(GuardedBody::own(Bytes::new().into()));
            let message = "missing, invalid or expired token";
            let status = grpc::Status::Unauthenticated;
            grpc::set_status(response.headers_mut(), status, message);
            response
        }
    }
}

pin_project! {
    /// The body of a [`Guarded`] service's answer: that of the inner service, as it
    /// streams, or the sandbox's error object.
    pub struct GuardedBody<R> {
        #[pin]
        kind: BodyKind<R>,
    }
}

pin_project! {
    #[project = BodyKindProjection]
    enum BodyKind<R> {
        Passed {
            #[pin]
            body: R,
        },
        Own {
            #[pin]
            body: SandboxBody,
        },
    }
}

impl<R> GuardedBody<R> {
    fn passed(body: R) -> Self {
        let kind = BodyKind::Passed { body };
        Self { kind }
    }

    pub(super) fn own(body: SandboxBody) -> Self {
        let kind = BodyKind::Own { body };
        Self { kind }
    }
}

impl<R: Body<Data = Bytes>> Body for GuardedBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().kind.project() {
            BodyKindProjection::Passed { body } => body.poll_frame(cx),
            BodyKindProjection::Own { body } => body.poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            BodyKind::Passed { body } => body.is_end_stream(),
            BodyKind::Own { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            BodyKind::Passed { body } => body.size_hint(),
            BodyKind::Own { body } => body.size_hint(),
        }
    }
}

impl<R> fmt::Debug for GuardedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedBody").finish_non_exhaustive()
    }
}
