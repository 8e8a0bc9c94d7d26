//! Sending a request again whose token was rejected, or that got none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};

use crate::Error;
use crate::cache::Resend;
use crate::response::Rejected;
use crate::runtime::Timer;

/// A retry policy: after a 401, or gRPC status 16, sends the request once more,
/// with the next token.
///
/// Layer it above [`FiskilAuthLayer`](crate::FiskilAuthLayer). The second
/// request waits for the renewal that the rejection started, as any request
/// would. What it is answered is final.
///
/// ```
/// use fiskil_auth::FiskilAuthLayer;
/// use fiskil_auth::retry::RetryUnauthorized;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[cfg(not(feature = "sandbox"))]
/// # fn main() {}
/// # #[cfg(feature = "sandbox")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use fiskil_auth::{TokenClient, sandbox::Sandbox};
/// # let sandbox = Sandbox::new();
/// # let http = sandbox.service();
/// # let token_service = TokenClient::new(sandbox.service());
/// # let layer = FiskilAuthLayer::with_token_service(sandbox.credentials(), token_service);
/// # layer.tokens().token().await?;
/// let api = ServiceBuilder::new()
///     .retry(RetryUnauthorized::new())
///     .layer(layer)
///     .service(http);
/// # sandbox.revoke_tokens();
///
/// // Fiskil has revoked the token that the layer holds.
/// let request = http::Request::get("/v1/end-users").body(String::new())?;
/// let answer = api.oneshot(request).await?;
/// assert_eq!(answer.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// A request is sent again only if
///
/// - it is the layer beneath that saw the rejection: a 401 from elsewhere, or
///   to a request that [carried no token](crate::FiskilAuthLayer::allow_origin),
///   passes as it is;
/// - another token is there or on its way. Where the API rejects one token after
///   another, their renewals are beyond the budget, and the same token would go out
///   again;
/// - its body can be cloned ([`with_body`](Self::with_body)). Every request is
///   cloned before it is sent, its headers and extensions included;
/// - the rejection came before the answer was handed out: a gRPC status 16 in
///   the trailers, after messages, renews the token for later requests only.
///
/// Requests of any method are sent again: an API that answers 401 has refused
/// the request, and done nothing of what it asked for.
#[derive(Clone)]
pub struct RetryUnauthorized<C = CloneBody> {
    clone_body: C,
    resent: bool,
    transient: Option<Transient>,
}

/// Clones request bodies that are [`Clone`]: see [`RetryUnauthorized::new`].
#[derive(Clone, Copy, Debug)]
pub struct CloneBody(());

/// How long a request may still wait for a token service that fails.
#[derive(Clone)]
struct Transient {
    patience: Duration,
    budget: Arc<TpsBudget>,
}

impl RetryUnauthorized {
    /// A policy for requests whose body type is [`Clone`].
    #[must_use]
    pub fn new() -> Self {
        Self::cloning(CloneBody(()))
    }
}

impl<C> RetryUnauthorized<C> {
    /// A policy for other body types. `clone_body` returns `None` for a body
    /// that can't be sent twice, such as a stream; its request is sent once.
    ///
    /// ```
    /// # use fiskil_auth::retry::RetryUnauthorized;
    /// use axum::body::Body;
    /// use http_body::Body as _;
    ///
    /// // Requests without a body, like most that a gateway passes on.
    /// let policy = RetryUnauthorized::with_body(|body: &Body| {
    ///     body.is_end_stream().then(Body::empty)
    /// });
    /// # let _ = policy;
    /// ```
    #[must_use]
    pub fn with_body<B>(clone_body: C) -> Self
    where
        C: Fn(&B) -> Option<B>,
    {
        Self::cloning(clone_body)
    }

    /// Also sends a request again that failed for want of a token, where the
    /// [`Error`] is [transient](Error::is_transient): each time its
    /// [`retry_after`](Error::retry_after) has passed, as long as all its waits
    /// together stay within `patience`. Off by default.
    ///
    /// The policy and its clones keep a budget, tower's default: in any ten seconds
    /// a fifth of the requests that got a token may be sent again, and ten a second
    /// more, whatever the traffic.
    ///
    /// The first wait after an outage began is 1 to 1.25 s, and no longer than
    /// 30 s later on, unless the token endpoint asks for more.
    #[must_use]
    pub fn retry_transient(mut self, patience: Duration) -> Self {
        self.transient = Some(Transient {
            patience,
            budget: Arc::default(),
        });
        self
    }

    fn cloning(clone_body: C) -> Self {
        Self {
            clone_body,
            resent: false,
            transient: None,
        }
    }

    fn judge<R, E>(&mut self, result: &Result<Response<R>, E>) -> Option<Delay> {
        let extensions = result.as_ref().ok()?.extensions();
        if let Some(error) = extensions.get::<Error>() {
            return self.transient.as_mut()?.wait(error);
        }
        if let Some(transient) = &self.transient {
            transient.budget.deposit();
        }
        let rejected = extensions.get::<Rejected>();
        let another = rejected.is_some_and(|rejected| rejected.resend == Resend::Another);
        let send_again = !self.resent && another;
        send_again.then(|| {
            self.resent = true;
            Delay { timer: None }
        })
    }
}

impl Default for RetryUnauthorized {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for RetryUnauthorized<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patience = self.transient.as_ref().map(|transient| transient.patience);
        f.debug_struct("RetryUnauthorized")
            .field("resent", &self.resent)
            .field("patience", &patience)
            .finish_non_exhaustive()
    }
}

impl<C, B, R, E> Policy<Request<B>, Response<R>, E> for RetryUnauthorized<C>
where
    C: TryCloneBody<B>,
{
    type Future = Delay;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<Self::Future> {
        self.judge(result)
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        let mut clone = Request::new(self.clone_body.try_clone_body(request.body())?);
        clone.method_mut().clone_from(request.method());
        clone.uri_mut().clone_from(request.uri());
        *clone.version_mut() = request.version();
        clone.headers_mut().clone_from(request.headers());
        clone.extensions_mut().clone_from(request.extensions());
        Some(clone)
    }
}

/// How [`RetryUnauthorized`] clones a request's body: [`CloneBody`], or a closure
/// for [`with_body`](RetryUnauthorized::with_body).
#[diagnostic::on_unimplemented(
    message = "a request with a body of type `{B}` can't be sent a second time by this `RetryUnauthorized`",
    note = "`RetryUnauthorized::new()` is for bodies that are `Clone`",
    note = "say how another body is cloned, and when it can't be, with `RetryUnauthorized::with_body`"
)]
pub trait TryCloneBody<B> {
    /// A body with the same content, or `None` where there can't be one.
    fn try_clone_body(&self, body: &B) -> Option<B>;
}

impl<B: Clone> TryCloneBody<B> for CloneBody {
    fn try_clone_body(&self, body: &B) -> Option<B> {
        Some(body.clone())
    }
}

impl<F, B> TryCloneBody<B> for F
where
    F: Fn(&B) -> Option<B>,
{
    fn try_clone_body(&self, body: &B) -> Option<B> {
        self(body)
    }
}

impl Transient {
    fn wait(&mut self, error: &Error) -> Option<Delay> {
        // An error without it is one that waiting does not cure.
        let wait = error.retry_after().filter(|_| error.is_transient())?;
        let patience = self.patience.checked_sub(wait)?;
        let timer = Timer::at(Instant::now().into_std().checked_add(wait)?).ok()?;
        self.budget.withdraw().then(|| {
            self.patience = patience;
            Delay { timer: Some(timer) }
        })
    }
}

/// The wait before a request is sent again; none where its token was rejected.
#[derive(Debug)]
pub struct Delay {
    timer: Option<Timer>,
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            // A runtime that is gone ends the wait; the request will say so.
            let _ = ready!(timer.poll(cx));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only this module can have one.
    #[test]
    fn what_clones_bodies_shows_its_name_only() {
        assert_eq!(format!("{:?}", CloneBody(())), "CloneBody(())");
    }
}
