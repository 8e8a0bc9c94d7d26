//! The layer: configuration, and the state that its services share.

mod origins;

use std::sync::Arc;

use http::{HeaderMap, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::authorized::Authorized;
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
/// ```
/// use fiskil_auth::{FiskilAuth, FiskilAuthLayer};
/// use tower::Layer;
///
/// /// A service has a type that can be named: here around a client `C`.
/// struct Api<C> {
///     http: FiskilAuth<C>,
/// }
///
/// impl<C: Clone> Api<C> {
///     fn new(auth: &FiskilAuthLayer, client: C) -> Self {
///         Self { http: auth.layer(client) }
///     }
/// }
/// ```
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
    /// default HTTPS client, which reads no proxy variables. A request that names an
    /// origin carries the token only if that is `https://api.fiskil.com`; one that names
    /// none, such as a bare path, carries it wherever the inner service sends it.
    ///
    /// Does no I/O and needs no runtime. Trouble with the TLS set-up is the
    /// first request's error.
    ///
    /// ```
    /// use fiskil_auth::{CredentialsFile, FiskilAuthLayer};
    ///
    /// let layer = FiskilAuthLayer::new(CredentialsFile::new("/vault/secrets/fiskil.json"));
    /// # drop(layer);
    /// ```
    #[cfg(feature = "https")]
    #[cfg_attr(docsrs, doc(cfg(feature = "https")))]
    #[must_use]
    pub fn new(credentials: impl ProvideCredentials) -> Self {
        Self::with_token_service(credentials, HttpsTokenService::new())
    }

    /// The whole set-up from the environment: [`Credentials::from_env`], and where
    /// `FISKIL_BASE_URL` is set, [`with_base_url`](Self::with_base_url).
    ///
    /// ```
    /// # fn set_up() -> Result<(), fiskil_auth::Error> {
    /// let layer = fiskil_auth::FiskilAuthLayer::from_env()?;
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// # let error = set_up().unwrap_err();
    /// # assert!(error.to_string().contains("FISKIL_CLIENT_ID"), "{error}");
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the two, naming the variables. An empty `FISKIL_BASE_URL` is an error, so
    /// that a script's mistake does not silently select production.
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
    /// ```
    /// # use fiskil_auth::{Credentials, FiskilAuthLayer};
    /// # let credentials = Credentials::new("id", "secret");
    /// let layer = FiskilAuthLayer::with_base_url(credentials, "https://proxy.example/fiskil")?;
    /// # drop(layer);
    /// # Ok::<(), fiskil_auth::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// use fiskil_auth::{Credentials, FiskilAuthLayer, Token, TokenRequest};
    /// use tower::service_fn;
    ///
    /// // From elsewhere: a sidecar that has the credentials, say.
    /// let tokens = service_fn(async |_: TokenRequest| {
    ///     Token::new("yMWEx", Duration::from_secs(900))
    /// });
    /// let layer = FiskilAuthLayer::with_token_service(Credentials::new("id", "none"), tokens);
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn with_token_service<S>(credentials: impl ProvideCredentials, service: S) -> Self
    where
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self::build(credentials, service, Origin::fiskil())
    }

    /// A handle on the token that this layer's services share.
    ///
    /// ```
    /// # async fn start(layer: fiskil_auth::FiskilAuthLayer) -> Result<(), fiskil_auth::Error> {
    /// // At start: fetch the token before the first request needs it.
    /// layer.tokens().token().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tokens(&self) -> TokenCache {
        self.auth.tokens.clone()
    }

    /// Gives a request its token: what the layer does to the requests of its services,
    /// for clients that are none, such as [middleware of reqwest](crate::docs::reqwest).
    /// Tell what became of it with [`Authorized::report`].
    ///
    /// `uri` is the whole URI of the request, and decides whether it may carry the
    /// token. `Authorization` is replaced among its `headers`; where the request may not
    /// carry the token, one of the two latest tokens that an earlier call put there is
    /// removed. Where there is no token, this waits for one, for 10 s at most.
    ///
    /// ```
    /// # use fiskil_auth::{Error, FiskilAuthLayer};
    /// use fiskil_auth::Resend;
    /// use http::{HeaderMap, StatusCode};
    ///
    /// # async fn send(layer: FiskilAuthLayer) -> Result<(), Error> {
    /// let uri = "https://api.fiskil.com/v1/end-users";
    /// let mut headers = HeaderMap::new();
    /// let authorized = layer.authorize(uri, &mut headers).await?;
    ///
    /// // Sent with these headers by whatever client, and answered:
    /// let status = StatusCode::UNAUTHORIZED;
    /// if authorized.report(status) == Resend::Another {
    ///     let authorized = layer.authorize(uri, &mut headers).await?;
    ///     // … and sent once more, with the next token.
    /// #   authorized.report(StatusCode::OK);
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sandbox"))]
    /// # fn main() {}
    /// # #[cfg(feature = "sandbox")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// #     let sandbox = fiskil_auth::sandbox::Sandbox::new();
    /// #     send(sandbox.layer()).await?;
    /// #     assert_eq!(sandbox.counts().issued, 2);
    /// #     Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where there is no token, what its fetch failed with. And
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a request to
    /// another origin, unless [such pass](Self::pass_other_origins), for what is no URI
    /// or names no origin, and for headers that have no room for another one.
    pub async fn authorize(
        &self,
        uri: impl TryInto<Uri>,
        headers: &mut HeaderMap,
    ) -> Result<Authorized, Error> {
        Authorized::by(&self.auth, origin::parse(uri)?, headers).await
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
