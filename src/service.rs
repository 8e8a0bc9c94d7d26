//! The service: a header insert where the token is fresh, and a wait where not.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::body::ResponseBody;
use crate::cache::{Renewal, TokenCache};
use crate::carried::Carried;
use crate::future::ResponseFuture;
use crate::grpc::Protocol;
use crate::scope::{Pass, Scope};

/// Puts a valid Fiskil bearer token on every request to `S`.
///
/// Made by [`FiskilAuthLayer`](crate::FiskilAuthLayer). Its error is that of
/// `S`: a request that can't be given a token is answered by a response.
#[derive(Clone)]
pub struct FiskilAuth<S> {
    inner: S,
    auth: Arc<Auth>,
}

/// What the services of a layer share, in one allocation, so that cloning one is
/// cheap.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    pub(crate) tokens: TokenCache,
    pub(crate) scope: Scope,
}

impl<S> FiskilAuth<S> {
    pub(crate) fn new(inner: S, auth: Arc<Auth>) -> Self {
        Self { inner, auth }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service. What it is sent by this way carries no token.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the inner service back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for FiskilAuth<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Of the inner service only: an error here means that the service is
        // broken for good, which a token that is missing does not.
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.auth.scope.judge(&request) {
            Pass::WithToken => {}
            Pass::Untouched => return ResponseFuture::untouched(self.inner.call(request)),
            Pass::Forbidden(forbidden) => {
                self.auth.scope.warn_of(&forbidden);
                self.release_readiness();
                let protocol = Protocol::of(request.headers());
                return ResponseFuture::failed(forbidden.to_error(), protocol);
            }
        }
        let tokens = &self.auth.tokens;
        let fresh = tokens.fresh(|shard| {
            let header = shard.header().clone();
            Carried::by(&mut request, header, shard.mark(), Renewal::NotDue)
        });
        let usable = || {
            let usable = tokens.usable()?;
            let header = usable.token.header_value().clone();
            let mark = tokens.mark(&usable);
            Some(Carried::by(&mut request, header, mark, usable.renewal))
        };
        match fresh.or_else(usable) {
            Some(Ok(carried)) => ResponseFuture::sent(self.inner.call(request), carried),
            Some(Err(full)) => {
                self.release_readiness();
                ResponseFuture::failed(full.into(), Protocol::of(request.headers()))
            }
            None => {
                let inner = self.release_readiness();
                ResponseFuture::waiting(inner, request, &self.auth.tokens)
            }
        }
    }
}

impl<S: Clone> FiskilAuth<S> {
    /// Gives up the reservation that `poll_ready` made, and returns a service
    /// to make another one with: what waits for a token must not hold a permit
    /// that the token service may need, nor one that others could use.
    fn release_readiness(&mut self) -> S {
        let unready = self.inner.clone();
        drop(mem::replace(&mut self.inner, unready.clone()));
        unready
    }
}

impl<S: fmt::Debug> fmt::Debug for FiskilAuth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiskilAuth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
