//! The exchange of credentials for a token, over any HTTP service.

mod answer;
mod body;
mod refusal;
mod request;
mod retry_after;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;
use tracing::Span;
use tracing::field::display;

use crate::origin::{self, Origin};
use crate::{BoxError, Error, ErrorKind, Token, TokenRequest};

/// A token service that asks Fiskil's token endpoint, over the HTTP client
/// that you bring: a tower service, with whatever timeouts, proxies or metrics
/// are layered on it.
///
/// It sends the client id and secret as JSON in one `POST` and never follows a
/// redirect; nor may the HTTP client, as the secret would go along, nor may that
/// log the request, whose `Debug` prints its body. It doesn't
/// try again by itself: layer `tower::retry` on it for that.
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
        Self::at(http, Uri::from_static(ENDPOINT))
    }

    /// Sends to another endpoint. The URI is used as it is, so its path must be
    /// whole: `https://proxy.example/fiskil/v1/token`.
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
    C: Service<Request<Full<Bytes>>, Response = Response<R>>,
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
            .map_err(|error| unreachable(error.into(), |_| false))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let response = request::build(&self.endpoint, &request.credentials)
            .map(|message| self.http.call(message));
        let origin = Origin::configured(&self.endpoint).ok();
        Box::pin(async move {
            Span::current().record("endpoint", origin.map(display));
            let response = response?
                .await
                .map_err(|error| unreachable(error.into(), |text| request.is_revealed_by(text)))?;
            answer::read(response, &request).await
        })
    }
}

fn unreachable(error: BoxError, reveals: impl Fn(&str) -> bool) -> Error {
    #[cfg(feature = "_https")]
    if crate::https::is_bad_certificate(error.as_ref()) {
        return Error::foreign(
            ErrorKind::Certificate,
            "the token endpoint's certificate is not trusted: \
             check the trust store, the host and the clock",
            error,
            reveals,
        )
        .transient(false);
    }
    Error::foreign(
        ErrorKind::Unavailable,
        "the token endpoint can't be reached: check DNS, the network and the firewall \
         (proxy variables are not read)",
        error,
        reveals,
    )
}

pub(crate) const ENDPOINT: &str = "https://api.fiskil.com/v1/token";
