//! The layer: configuration, and the state that its services share.

use std::sync::Arc;

use http::Uri;
use tower_layer::Layer;
use tower_service::Service;

#[cfg(feature = "https")]
use crate::environment::variable;
#[cfg(feature = "https")]
use crate::https::HttpsTokenService;
#[cfg(feature = "https")]
use crate::origin::Base;
use crate::origin::{self, Origin};
use crate::scope::Scope;
use crate::service::{Auth, FiskilAuth};
use crate::{BoxError, Error, ProvideCredentials, Token, TokenCache, TokenRequest};
#[cfg(feature = "https")]
use crate::{Credentials, ErrorKind};

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
        Self::with_token_service(credentials, HttpsTokenService::new())
    }

    /// The whole set-up from the environment: [`Credentials::from_env`], and where
    /// `FISKIL_BASE_URL` is set, [`with_base_url`](Self::with_base_url).
    ///
    /// # Errors
    ///
    /// Those of the two, naming the variables. A `FISKIL_BASE_URL` that is set and
    /// empty is one: nobody should get to production by a script's mistake.
    #[cfg(feature = "https")]
    #[cfg_attr(docsrs, doc(cfg(feature = "https")))]
    pub fn from_env() -> Result<Self, Error> {
        let refused = |text| Error::new(ErrorKind::Configuration, text);
        let credentials = Credentials::from_env()?;
        match variable(BASE_URL).map_err(refused)? {
            None => Ok(Self::new(credentials)),
            Some(base) => Self::with_base_url(credentials, base.as_str())
                .map_err(|error| refused(format!("of {BASE_URL}, {error}"))),
        }
    }

    /// Like [`new`](Self::new) for another base than `https://api.fiskil.com`:
    /// tokens come from `{base}/v1/token`, and go to the base's origin only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if the base
    /// is not `https://host[:port][/path]` (`http://` is for loopback only), has
    /// userinfo or a query, or ends in `/v1/token` itself.
    #[cfg(feature = "https")]
    #[cfg_attr(docsrs, doc(cfg(feature = "https")))]
    pub fn with_base_url(
        credentials: impl ProvideCredentials,
        base: impl TryInto<Uri>,
    ) -> Result<Self, Error> {
        let base = Base::parse(base)?;
        let service = HttpsTokenService::at(base.token_endpoint);
        Ok(Self::build(credentials, service, base.origin))
    }

    /// Gets tokens from `service` instead of the default HTTPS client: a
    /// [`TokenClient`](crate::TokenClient) over an HTTP client of your own, any
    /// layers stacked on it, or something else altogether. What is not `Clone`
    /// goes behind `tower::buffer`.
    ///
    /// Every exchange uses a fresh clone of it. The token goes to
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
    /// Requests whose URI names no origin (axum over HTTP/1, tonic) carry the token
    /// anyway. Those that name another origin are refused: they are answered with
    /// 502 and [`ErrorKind::Configuration`](crate::ErrorKind::Configuration), and a
    /// [warning](crate::docs::watching) tells of each of the first sixteen origins.
    /// See [`pass_other_origins`](Self::pass_other_origins).
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

    /// Lets requests for other origins pass, without a token and with whatever
    /// `Authorization` header they had, instead of refusing them. `CONNECT` is one
    /// of them, whatever it names.
    ///
    /// For clients that serve several APIs, or follow redirects to elsewhere. Not for
    /// a server's side, where callers choose the URI: with it, they choose whether
    /// their own `Authorization` goes on. Plain HTTP to an allowed HTTPS origin stays
    /// refused.
    #[must_use]
    pub fn pass_other_origins(mut self) -> Self {
        Arc::make_mut(&mut self.auth).scope.pass_others();
        self
    }

    /// For a server's side, such as an `axum::Router` or a tonic server: every
    /// request carries the token, whatever its URI says, and whatever its caller
    /// sent as `Authorization` is replaced. `CONNECT` alone is refused.
    ///
    /// Over HTTP/1, requests to a server commonly name no origin, and carry the
    /// token anyway. Over HTTP/2, and from callers that think they speak to a
    /// proxy, they name the server's own host, in the caller's spelling: without
    /// this they would be refused, as requests for other origins are.
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

    /// A layer whose token goes to `origin` only.
    pub(crate) fn build<S>(credentials: impl ProvideCredentials, service: S, origin: Origin) -> Self
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

impl<S: Clone> Layer<S> for FiskilAuthLayer {
    type Service = FiskilAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FiskilAuth::new(inner, self.auth.clone())
    }
}

#[cfg(feature = "https")]
const BASE_URL: &str = "FISKIL_BASE_URL";
