//! The default HTTPS client, and all that depends on the TLS library.

mod attempts;

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::BuilderVerifierExt;
use tower::retry::Retry;
use tower_service::Service;

use self::attempts::Attempts;
use crate::{Error, ErrorKind, Token, TokenClient, TokenRequest};

/// The token service under `FiskilAuthLayer::new`: exchanges over HTTPS, in up
/// to three attempts.
///
/// Its client is made by the first exchange, so that making the service can't
/// fail and needs no runtime. If that can't be done, the next one tries again.
#[derive(Clone, Debug)]
pub(crate) struct HttpsTokenService {
    endpoint: Uri,
    client: Arc<OnceLock<HttpsTokenClient>>,
}

type HttpsTokenClient = Retry<Attempts, TokenClient<HttpsClient>>;
type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl HttpsTokenService {
    /// A service for an endpoint whose origin was checked before.
    pub(crate) fn new(endpoint: Uri) -> Self {
        Self {
            endpoint,
            client: Arc::new(OnceLock::new()),
        }
    }

    fn client(&self) -> Result<HttpsTokenClient, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let http = client().map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "TLS can't be set up: install the platform's CA certificates \
                 (often a package named ca-certificates), or bring an HTTP client of your own",
            )
            .with_source(error)
        })?;
        let client = Retry::new(
            Attempts::default(),
            TokenClient::at(http, self.endpoint.clone()),
        );
        Ok(self.client.get_or_init(|| client).clone())
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

/// Whether the server's certificate was refused, anywhere in the chain.
pub(crate) fn is_bad_certificate(error: &(dyn StdError + 'static)) -> bool {
    let tls = crate::error::find(error);
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// What all TLS of this crate is set up with.
pub(crate) fn tls() -> Result<ClientConfig, rustls::Error> {
    // TLS 1.3 or 1.2: rustls has nothing older that could be agreed on.
    Ok(ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth())
}

fn client() -> Result<HttpsClient, rustls::Error> {
    let tls = tls()?;
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
    Ok(Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector))
}

/// Named here, as the process default is undecided where both are compiled in.
fn provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    rustls::crypto::ring::default_provider()
}

/// Three attempts that find nobody there end within an exchange's ten seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
