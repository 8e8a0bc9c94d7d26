//! The service: a header insert where the token is fresh, and a wait where not.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::body::ResponseBody;
use crate::cache::{Own, TokenCache};
use crate::carried::Carried;
use crate::future::ResponseFuture;
use crate::grpc::Protocol;
use crate::scope::{Pass, Scope};

/// Puts a valid Fiskil bearer token on every request to `S`.
///
/// Made by [`FiskilAuthLayer`](crate::FiskilAuthLayer). Its error is that of
/// `S`: a request that can't be given a token is answered by a response.
///
/// Its name is for a field; where it has many layers more, box it:
///
/// ```
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// use fiskil_auth::{BoxError, FiskilAuth, FiskilAuthLayer, ResponseBody, error_for_auth};
/// use http::{Request, Response};
/// use tower::util::BoxCloneSyncService;
/// use tower::{Layer, Service, ServiceBuilder};
///
/// struct Named<C> {
///     api: FiskilAuth<C>,
/// }
///
/// type Body = Full<Bytes>;
/// struct Boxed {
///     api: BoxCloneSyncService<Request<Body>, Response<ResponseBody<Body>>, BoxError>,
/// }
///
/// fn set_up<C>(auth: FiskilAuthLayer, client: C) -> (Named<C>, Boxed)
/// where
///     C: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
///     C::Error: std::error::Error + Send + Sync,
///     C::Future: Send,
/// {
///     let api = ServiceBuilder::new().map_result(error_for_auth).layer(auth.clone());
///     let boxed = Boxed { api: BoxCloneSyncService::new(api.service(client.clone())) };
///     (Named { api: auth.layer(client) }, boxed)
/// }
/// ```
pub struct FiskilAuth<S> {
    inner: S,
    auth: Arc<Auth>,
    own: Own,
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
        Self {
            inner,
            auth,
            own: Own::Uncalled,
        }
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
        // Asks the inner service only: an error here means that the service is broken
        // for good, and a missing token does not mean that.
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
        let Some(bearer) = tokens.bearer(&mut self.own) else {
            let inner = self.release_readiness();
            return ResponseFuture::waiting(inner, request, &self.auth.tokens);
        };
        match Carried::by(&mut request, bearer) {
            Ok(carried) => ResponseFuture::sent(self.inner.call(request), carried),
            Err(full) => {
                self.release_readiness();
                ResponseFuture::failed(full.into(), Protocol::of(request.headers()))
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

impl<S: Clone> Clone for FiskilAuth<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.auth.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for FiskilAuth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiskilAuth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
