//! The future of a response: a request on its way, phase by phase.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::cache::{Budget, Renewal, Wait};
use crate::carried::Carried;
use crate::grpc::Protocol;
use crate::response;
use crate::{Error, TokenCache};

pin_project! {
    /// The future of a [`FiskilAuth`](crate::FiskilAuth) response.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        phase: Phase<S, S::Future, B>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<S, F, B> {
        /// The request waits, first for a token, then for the inner service. Boxed,
        /// since it is rare and large.
        Waiting { waiting: Box<Waiting<S, B>> },
        /// The request is with the inner service. `carried` is `None` where it was
        /// passed on without a token.
        Sent {
            #[pin]
            response: F,
            carried: Option<Carried>,
        },
        /// The request can't be sent.
        Failed { error: Option<Error>, protocol: Protocol },
    }
}

/// A request that waits until it can be sent.
struct Waiting<S, B> {
    // Readied in the second stage only.
    inner: S,
    // Taken when it is sent.
    request: Option<Request<B>>,
    tokens: TokenCache,
    stage: Stage,
}

enum Stage {
    /// It waits for a token, and holds nothing of the inner service.
    ForToken(Wait),
    /// There was a token; the inner service gets ready. The budget is for another
    /// wait, as this may take longer than the token lives.
    ForReadiness(Budget),
}

/// The next phase, or the inner service's error.
type Next<S, B> =
    Result<Phase<S, <S as Service<Request<B>>>::Future, B>, <S as Service<Request<B>>>::Error>;

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn sent(response: S::Future, carried: Carried) -> Self {
        Self {
            phase: Phase::Sent {
                response,
                carried: Some(carried),
            },
        }
    }

    pub(crate) fn untouched(response: S::Future) -> Self {
        Self {
            phase: Phase::Sent {
                response,
                carried: None,
            },
        }
    }

    pub(crate) fn failed(error: Error, protocol: Protocol) -> Self {
        Self {
            phase: Phase::failed(error, protocol),
        }
    }

    pub(crate) fn waiting(inner: S, request: Request<B>, tokens: &TokenCache) -> Self {
        Self {
            phase: Phase::Waiting {
                waiting: Box::new(Waiting {
                    inner,
                    request: Some(request),
                    tokens: tokens.clone(),
                    stage: Stage::ForToken(tokens.wait(Budget::MAX)),
                }),
            },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        match phase.as_mut().project() {
            PhaseProj::Sent { response, carried } => poll_sent(response, carried, cx),
            _ => poll_unsent(phase, cx),
        }
    }
}

/// Out of line: nearly all requests are sent at once and never come here.
#[cold]
fn poll_unsent<S, B, R>(
    mut phase: Pin<&mut Phase<S, S::Future, B>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<ResponseBody<R>>, S::Error>>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    loop {
        let next = match phase.as_mut().project() {
            PhaseProj::Waiting { waiting } => ready!(waiting.poll_next(cx))?,
            PhaseProj::Sent { response, carried } => return poll_sent(response, carried, cx),
            PhaseProj::Failed { error, protocol } => {
                #[expect(clippy::expect_used, reason = "the contract of `Future`")]
                let error = error.take().expect("polled after it was ready");
                return Poll::Ready(Ok(response::from_error(error, *protocol)));
            }
        };
        phase.set(next);
    }
}

#[inline]
fn poll_sent<F, R, E>(
    response: Pin<&mut F>,
    carried: &mut Option<Carried>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<ResponseBody<R>>, E>>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    if let Some(carried) = carried {
        // In `poll`, since a future that is never polled must not leave a claim
        // behind.
        if mem::replace(&mut carried.renewal, Renewal::NotDue) == Renewal::Due {
            carried.mark.renew();
        }
    }
    let mut response = ready!(response.poll(cx))?.map(ResponseBody::new);
    if let Some(carried) = carried {
        response::judge(&mut response, *carried);
    }
    Poll::Ready(Ok(response))
}

impl<S, F, B> Phase<S, F, B> {
    fn failed(error: Error, protocol: Protocol) -> Self {
        Self::Failed {
            error: Some(error),
            protocol,
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>> + Clone,
{
    /// The phase after this one.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<S, B>> {
        loop {
            match &mut self.stage {
                Stage::ForToken(wait) => match ready!(Pin::new(&mut *wait).poll(cx)) {
                    Ok(_) => self.stage = Stage::ForReadiness(wait.budget_left()),
                    Err(error) => return Poll::Ready(Ok(self.fail(error))),
                },
                Stage::ForReadiness(budget) => {
                    let budget = *budget;
                    ready!(self.inner.poll_ready(cx))?;
                    if let Some(next) = self.send(budget) {
                        return Poll::Ready(Ok(next));
                    }
                    // Nothing is held while waiting: see `release_readiness`.
                    self.inner = self.inner.clone();
                    self.stage = Stage::ForToken(self.tokens.wait(budget));
                }
            }
        }
    }

    /// Sends the request with the token that is in use by now. `None` if there is
    /// none any more.
    fn send(&mut self, budget: Budget) -> Option<Phase<S, S::Future, B>> {
        let usable = self.tokens.usable_within(budget)?;
        #[expect(clippy::expect_used, reason = "the contract of `Future`")]
        let mut request = self.request.take().expect("polled after it was ready");
        Some(
            match Carried::by(&mut request, self.tokens.bearer_of(&usable)) {
                Ok(carried) => Phase::Sent {
                    response: self.inner.call(request),
                    carried: Some(carried),
                },
                Err(full) => Phase::failed(full.into(), Protocol::of(request.headers())),
            },
        )
    }

    fn fail(&self, error: Error) -> Phase<S, S::Future, B> {
        let request = self.request.as_ref();
        let protocol = request.map_or(Protocol::Http, |request| Protocol::of(request.headers()));
        Phase::failed(error, protocol)
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
