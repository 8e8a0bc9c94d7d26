//! An HTTP client for the sandbox over HTTPS.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tower_service::Service;

use crate::BoxError;

/// An HTTP client that trusts one sandbox's certificate: see
/// [`HttpsSandbox::client`](super::HttpsSandbox::client).
///
/// A clone shares the connection pool.
///
/// ```
/// use bytes::Bytes;
/// use fiskil_auth::sandbox::{HttpsSandbox, SandboxClient};
/// use http_body_util::Full;
///
/// struct Tested {
///     client: SandboxClient<Full<Bytes>>,
/// }
///
/// fn on(server: &HttpsSandbox) -> Tested {
///     Tested { client: server.client() }
/// }
/// # let _ = (on, |tested: Tested| tested.client);
/// ```
pub struct SandboxClient<B> {
    http: Client<HttpsConnector<HttpConnector>, B>,
}

impl<B> SandboxClient<B>
where
    B: Body<Data: Send> + Send,
{
    pub(super) fn new(tls: ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .build();
        Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
        }
    }
}

impl<B> Service<Request<B>> for SandboxClient<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.http.call(request);
        Box::pin(async move { response.await.map_err(Into::into) })
    }
}

impl<B> Clone for SandboxClient<B> {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
        }
    }
}

impl<B> fmt::Debug for SandboxClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxClient").finish_non_exhaustive()
    }
}
