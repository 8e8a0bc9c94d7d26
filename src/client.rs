//! The exchange of credentials for a token, over any HTTP service.

mod answer;
mod body;
mod refusal;
mod request;
mod retry_after;
mod token_request_body;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use http_body::Body;
use tower_service::Service;
use tracing::Span;
use tracing::field::display;

pub use self::token_request_body::TokenRequestBody;
#[cfg(feature = "https")]
use crate::error::{is_bad_certificate, is_other_protocol};
use crate::fiskil;
use crate::origin::{self, Origin};
use crate::redact::Secrets;
use crate::shown::shown;
use crate::{BoxError, Error, ErrorKind, Token, TokenRequest};

/// A token service that asks Fiskil's token endpoint, over the HTTP client
/// that you bring: a tower service, with whatever timeouts, proxies or metrics
/// are layered on it.
///
/// It sends the client id and secret as JSON in one `POST` and never follows a
/// redirect; nor may the HTTP client, as the secret would go along. It doesn't try
/// again by itself: layer `tower::retry` on it for that.
///
/// ```
/// use fiskil_auth::{Credentials, Token, TokenClient, TokenRequest};
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fiskil_auth::Error> {
/// let http = service_fn(|_request| async {
///     let answer = r#"{"token": "yMWEx", "expires_in": 900}"#.to_owned();
///     Ok::<_, std::io::Error>(http::Response::new(answer))
/// });
///
/// let request = TokenRequest::new(Credentials::new("id", "secret"));
/// let token: Token = TokenClient::new(http).oneshot(request).await?;
/// assert_eq!(token.lifetime().as_secs(), 900);
/// # Ok(())
/// # }
/// ```
///
/// Nothing is sent for malformed credentials ([`ErrorKind::Credentials`]).
///
#[doc = include_str!("docs/answers.md")]
#[derive(Clone, Debug)]
pub struct TokenClient<C> {
    http: C,
    endpoint: Uri,
}

impl<C> TokenClient<C> {
    /// A client for `https://api.fiskil.com/v1/token`, [as Fiskil documents
    /// it](https://docs.fiskil.com/data-api/api-reference/authentication),
    /// over the given HTTP service.
    pub fn new(http: C) -> Self {
        Self::at(http, Uri::from_static(fiskil::TOKEN_ENDPOINT))
    }

    /// Sends to another endpoint. The URI is used as it is, so its path must be
    /// whole:
    ///
    /// ```
    /// # use fiskil_auth::TokenClient;
    /// # fn set_up<C>(http: C) -> Result<TokenClient<C>, fiskil_auth::Error> {
    /// TokenClient::new(http).endpoint("https://proxy.example/fiskil/v1/token")
    /// # }
    /// # assert!(set_up(()).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what is no `https://` URI (`http://` is
    /// for loopback only), or has a user name, a query or an impossible port.
    pub fn endpoint(self, uri: impl TryInto<Uri>) -> Result<Self, Error> {
        let uri = origin::parse(uri)?;
        Origin::configured(&uri)?;
        if uri.query().is_some() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the token endpoint's URI must not have a query",
            ));
        }
        Ok(Self::at(self.http, uri))
    }

    /// A client for an endpoint that was checked before.
    pub(crate) fn at(http: C, endpoint: Uri) -> Self {
        Self { http, endpoint }
    }
}

impl<C, R> Service<TokenRequest> for TokenClient<C>
where
    C: Service<Request<TokenRequestBody>, Response = Response<R>>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    R: Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<BoxError>,
{
    type Response = Token;
    type Error = Error;
    // Boxed, as it runs once in a token's life.
    type Future = Pin<Box<dyn Future<Output = Result<Token, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.http
            .poll_ready(cx)
            .map_err(|error| unreachable(&self.endpoint, error.into(), &Secrets::none()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let response = request::build(&self.endpoint, &request.credentials)
            .map(|message| self.http.call(message));
        let endpoint = self.endpoint.clone();
        let origin = Origin::configured(&self.endpoint).ok();
        Box::pin(async move {
            Span::current().record("endpoint", origin.map(display));
            let response = response?
                .await
                .map_err(|error| unreachable(&endpoint, error.into(), &request.secrets()))?;
            answer::read(response, &request, &endpoint).await
        })
    }
}

fn unreachable(endpoint: &Uri, error: BoxError, secrets: &Secrets<'_>) -> Error {
    let endpoint = shown(endpoint);
    #[cfg(feature = "https")]
    if is_bad_certificate(error.as_ref()) {
        let text = format!(
            "the certificate of {endpoint} is not trusted: check the trust store, the host and the clock"
        );
        return Error::foreign(ErrorKind::Certificate, text, error, secrets).transient(false);
    }
    #[cfg(feature = "https")]
    if is_other_protocol(error.as_ref()) {
        let text = format!(
            "what answers at {endpoint} does not speak TLS, as a port for plain HTTP does not: \
             check the port"
        );
        return Error::foreign(ErrorKind::Unavailable, text, error, secrets);
    }
    let text = format!(
        "{endpoint} can't be reached: check DNS, the network and the firewall \
         (proxy variables are not read)"
    );
    Error::foreign(ErrorKind::Unavailable, text, error, secrets)
}
