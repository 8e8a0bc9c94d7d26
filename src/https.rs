//! The default HTTPS client, and all that depends on the TLS library.

mod attempts;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tower::retry::Retry;
use tower_service::Service;

use self::attempts::Attempts;
use crate::fiskil;
use crate::origin::Base;
use crate::{Error, Token, TokenClient, TokenRequest, TokenRequestBody, tls};

/// The token service under [`FiskilAuthLayer::new`](crate::FiskilAuthLayer::new):
/// exchanges over HTTPS, in up to three attempts as long as the failure is
/// transient.
///
/// For what stands between it and a layer, such as a metric or a cache of your
/// own, and for a platform with credentials for each tenant: the layers of all
/// tenants can have clones of one service, which share one TLS set-up.
///
/// ```
/// use fiskil_auth::{Credentials, FiskilAuthLayer, HttpsTokenService};
///
/// let exchanges = HttpsTokenService::new();
/// let [one, another] = ["tenant-1", "tenant-2"].map(|id| {
///     let credentials = Credentials::new(id, "secret");
///     FiskilAuthLayer::with_token_service(credentials, exchanges.clone())
/// });
/// # drop((one, another));
/// ```
///
/// It speaks HTTP/1.1 over TLS 1.2 or 1.3, trusts what the platform trusts, keeps
/// no idle connection, and reads no proxy variables. Its client is made by the
/// first exchange: if that can't be done, it fails with
/// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration), and the next exchange tries again. Which TLS
/// provider it uses: [the crate's page](crate#tls-provider).
///
/// Answers and failures: as [`TokenClient`] has them.
#[derive(Clone, Debug)]
pub struct HttpsTokenService {
    endpoint: Uri,
    client: Arc<OnceLock<HttpsTokenClient>>,
}

type HttpsTokenClient = Retry<Attempts, TokenClient<HttpsClient>>;
type HttpsClient = Client<HttpsConnector<HttpConnector>, TokenRequestBody>;

impl HttpsTokenService {
    /// A service for `https://api.fiskil.com/v1/token`. Does no I/O and needs no
    /// runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Uri::from_static(fiskil::TOKEN_ENDPOINT))
    }

    /// A service for `{base}/v1/token`. The layer lets tokens go to
    /// `https://api.fiskil.com` only, until it is
    /// [told otherwise](crate::FiskilAuthLayer::allow_origin).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration), as for
    /// [`FiskilAuthLayer::with_base_url`](crate::FiskilAuthLayer::with_base_url).
    pub fn with_base_url(base: impl TryInto<Uri>) -> Result<Self, Error> {
        Ok(Self::at(Base::parse(base)?.token_endpoint))
    }

    /// A service for an endpoint that was checked before.
    pub(crate) fn at(endpoint: Uri) -> Self {
        Self {
            endpoint,
            client: Arc::new(OnceLock::new()),
        }
    }

    fn client(&self) -> Result<HttpsTokenClient, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let tls = tls::client_config()?;
        let http = http_client(tls);
        let client = Retry::new(
            Attempts::default(),
            TokenClient::at(http, self.endpoint.clone()),
        );
        Ok(self.client.get_or_init(|| client).clone())
    }
}

impl Default for HttpsTokenService {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<TokenRequest> for HttpsTokenService {
    type Response = Token;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Token, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut client = this.client()?;
            poll_fn(|cx| client.poll_ready(cx)).await?;
            client.call(request).await
        })
    }
}

fn http_client(tls: ClientConfig) -> HttpsClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));

    // Plain HTTP gets here for loopback only: the endpoint was checked.
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);

    // Minutes pass between two exchanges: no server keeps a connection so long.
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector)
}

/// Three attempts that find nobody there end within a fetch's ten seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
#[cfg(in_repository)]
mod tests;
