//! The layer: configuration, and the state that its services share.

use std::sync::Arc;

use http::Uri;
use tower_layer::Layer;
use tower_service::Service;

#[cfg(feature = "https")]
use crate::fiskil;
use crate::origin::{self, Origin};
use crate::scope::Scope;
use crate::service::FiskilAuth;
use crate::{BoxError, Error, ProvideCredentials, Token, TokenCache, TokenRequest};

/// Puts a valid Fiskil bearer token on every request of the service that it is
/// applied to.
///
/// All services made by one layer, or by clones of it, share one token.
///
/// Where it goes among other layers: [Which order?](crate::docs::order) What a
/// request is answered that can't be given a token: [When it
/// fails](crate::docs::failure).
///
/// # Redirects
///
/// A layer that follows redirects belongs above this one: then every hop is
/// judged by itself, so that other origins see no token, and a hop from `https`
/// to `http` at an allowed one fails. What is beneath has been given the header
/// and decides alone where it goes: let it stay at the origin, as
/// `follow_redirect::policy::SameOrigin` of tower-http does. (The default policy
/// of tower-http 0.6 lets the header out at the second hop of another origin.)
#[derive(Clone, Debug)]
pub struct FiskilAuthLayer {
    auth: Arc<Auth>,
}

/// What a service needs, in one allocation, so that cloning one is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    pub(crate) tokens: TokenCache,
    pub(crate) scope: Scope,
}

impl FiskilAuthLayer {
    /// Exchanges `credentials` at `https://api.fiskil.com/v1/token`, over the
    /// default HTTPS client. The token goes to `https://api.fiskil.com` only.
    ///
    /// Does no I/O and needs no runtime. Trouble with the TLS set-up is the
    /// first request's error.
    #[cfg(feature = "https")]
    #[cfg_attr(docsrs, doc(cfg(feature = "https")))]
    #[must_use]
    pub fn new(credentials: impl ProvideCredentials) -> Self {
        let endpoint = Uri::from_static(fiskil::TOKEN_ENDPOINT);
        Self::with_token_service(credentials, crate::https::HttpsTokenService::new(endpoint))
    }

    /// Like [`new`](Self::new) for another base than `https://api.fiskil.com`:
    /// tokens come from `{base}/v1/token`, and go to the base's origin only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if the base
    /// is not `https://host[:port][/path]` (`http://` is for loopback only), or
    /// has userinfo or a query.
    #[cfg(feature = "https")]
    #[cfg_attr(docsrs, doc(cfg(feature = "https")))]
    pub fn with_base_url(
        credentials: impl ProvideCredentials,
        base: impl TryInto<Uri>,
    ) -> Result<Self, Error> {
        let base = origin::parse(base)?;
        let origin = Origin::configured(&base)?;
        let service =
            crate::https::HttpsTokenService::new(origin::join(&base, fiskil::TOKEN_PATH)?);
        Ok(Self::build(credentials, service, origin))
    }

    /// Gets tokens from `service` instead of the default HTTPS client: a
    /// [`TokenClient`](crate::TokenClient) over an HTTP client of your own, any
    /// layers stacked on it, or something else altogether. What is not `Clone`
    /// goes behind `tower::buffer`.
    ///
    /// Every exchange uses a fresh clone. The token goes to
    /// `https://api.fiskil.com` only; see [`allow_origin`](Self::allow_origin).
    #[must_use]
    pub fn with_token_service<S>(credentials: impl ProvideCredentials, service: S) -> Self
    where
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self::build(credentials, service, Origin::fiskil())
    }

    /// Lets the token go to the origin of `uri`, too.
    ///
    /// Requests whose URI names no origin (axum, tonic) carry the token anyway;
    /// those that name another origin pass without one, and with whatever
    /// `Authorization` header they had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if it is
    /// not `https://` (`http://` is for loopback only), or has userinfo.
    pub fn allow_origin(mut self, uri: impl TryInto<Uri>) -> Result<Self, Error> {
        let origin = Origin::configured(&origin::parse(uri)?)?;
        Arc::make_mut(&mut self.auth).scope.allow(origin);
        Ok(self)
    }

    /// Lets the token go to any HTTPS origin. Plain HTTP stays refused, but for
    /// loopback origins that are [allowed](Self::allow_origin) by name.
    ///
    /// For clients that talk to Fiskil only, through hosts that aren't known
    /// beforehand. Beneath a redirect layer this hands the token to whoever
    /// Fiskil's answers point to.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        Arc::make_mut(&mut self.auth).scope.allow_any();
        self
    }

    /// For a server's side, such as an `axum::Router` or a tonic server: every
    /// request carries the token, whatever its URI says, and whatever its caller
    /// sent as `Authorization` is replaced. `CONNECT` alone passes as it is.
    ///
    /// Over HTTP/1, requests to a server commonly name no origin, and carry the
    /// token anyway. Over HTTP/2, and from callers that think they speak to a
    /// proxy, they name the server's own host, in the caller's spelling: without
    /// this they would pass untouched, as requests to a foreign origin do.
    ///
    /// Not for clients: a redirect that is followed would take the token along. Nor
    /// may what is beneath send a request on to where its caller's URI points.
    #[must_use]
    pub fn inbound(mut self) -> Self {
        Arc::make_mut(&mut self.auth).scope.allow_inbound();
        self
    }

    /// A handle on the token that this layer's services share.
    #[must_use]
    pub fn tokens(&self) -> TokenCache {
        self.auth.tokens.clone()
    }

    fn build<S>(credentials: impl ProvideCredentials, service: S, origin: Origin) -> Self
    where
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self {
            auth: Arc::new(Auth {
                tokens: TokenCache::new(credentials, service),
                scope: Scope::new(origin),
            }),
        }
    }
}

impl<S> Layer<S> for FiskilAuthLayer {
    type Service = FiskilAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FiskilAuth::new(inner, self.auth.clone())
    }
}
