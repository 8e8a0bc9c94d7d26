//! The future of a response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{self, ResponseBody};
use crate::cache::{CachedToken, Wait};
use crate::service::authorize;
use crate::{Error, TokenCache};

pin_project! {
    /// The future of a [`FiskilAuth`](crate::FiskilAuth) response.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        /// The request is with the inner service.
        Sending {
            #[pin]
            response: F,
            token: Option<Arc<CachedToken>>,
            renewal_due: bool,
        },
        /// The request waits for a token. Boxed, since it is rare and large.
        Waiting { waiting: Pin<Box<Waiting<S, B>>> },
        /// The request can't be sent.
        Failed { error: Option<Error>, grpc: bool },
    }
}

pin_project! {
    /// A request that waits for a token, and then for the inner service.
    struct Waiting<S, B> {
        inner: S,
        // Taken when it is sent.
        request: Option<Request<B>>,
        tokens: TokenCache,
        // For the token; `None` while the inner service gets ready.
        #[pin]
        wait: Option<Wait>,
        // How much longer it may wait for tokens, all in all.
        patience: Duration,
    }
}

/// How a wait ended: with the request under way, or with no token for it.
type Sent<F> = Result<(F, Arc<CachedToken>, bool), Error>;

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn sending(response: S::Future, token: Arc<CachedToken>, renewal_due: bool) -> Self {
        Self {
            state: State::Sending {
                response,
                token: Some(token),
                renewal_due,
            },
        }
    }

    pub(crate) fn untouched(response: S::Future) -> Self {
        Self {
            state: State::Sending {
                response,
                token: None,
                renewal_due: false,
            },
        }
    }

    pub(crate) fn failed(error: Error, request: &Request<B>) -> Self {
        Self {
            state: State::Failed {
                error: Some(error),
                grpc: body::is_grpc(request.headers()),
            },
        }
    }

    pub(crate) fn waiting(inner: S, request: Request<B>, tokens: &TokenCache) -> Self {
        Self {
            state: State::Waiting {
                waiting: Box::pin(Waiting {
                    inner,
                    request: Some(request),
                    tokens: tokens.clone(),
                    wait: Some(tokens.wait(Wait::PATIENCE)),
                    patience: Wait::PATIENCE,
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
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Sending {
                    response,
                    token,
                    renewal_due,
                } => {
                    // In `poll`, since a future that is never polled must not
                    // leave a claim behind.
                    if std::mem::take(renewal_due)
                        && let Some(token) = token
                    {
                        token.renew();
                    }
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(body::pass(response, token.take())));
                }
                StateProj::Waiting { waiting } => {
                    let grpc = waiting.is_grpc();
                    match ready!(waiting.as_mut().poll_sent(cx))? {
                        Ok((response, token, renewal_due)) => State::Sending {
                            response,
                            token: Some(token),
                            renewal_due,
                        },
                        Err(error) => State::Failed {
                            error: Some(error),
                            grpc,
                        },
                    }
                }
                StateProj::Failed { error, grpc } => {
                    #[expect(clippy::expect_used, reason = "the contract of `Future`")]
                    let error = error.take().expect("polled after it was ready");
                    return Poll::Ready(Ok(body::failure(error, *grpc)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>> + Clone,
{
    fn is_grpc(&self) -> bool {
        let request = self.request.as_ref();
        request.is_some_and(|request| body::is_grpc(request.headers()))
    }

    fn poll_sent(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Sent<S::Future>, S::Error>> {
        let mut this = self.project();
        loop {
            if let Some(mut wait) = this.wait.as_mut().as_pin_mut() {
                if let Err(error) = ready!(wait.as_mut().poll(cx)) {
                    return Poll::Ready(Ok(Err(error)));
                }
                *this.patience = wait.patience_left();
                this.wait.set(None);
            }
            ready!(this.inner.poll_ready(cx))?;
            // Getting ready may have taken longer than the token lives.
            if let Some((token, renewal_due)) = this.tokens.ready() {
                #[expect(clippy::expect_used, reason = "the contract of `Future`")]
                let mut request = this.request.take().expect("polled after it was ready");
                authorize(&mut request, &token);
                let response = this.inner.call(request);
                return Poll::Ready(Ok(Ok((response, token, renewal_due))));
            }
            // Nothing is held while waiting: see `FiskilAuth::give_back`.
            *this.inner = this.inner.clone();
            this.wait.set(Some(this.tokens.wait(*this.patience)));
        }
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
