//! The sandbox over HTTPS on loopback: its certificate, and the handle on its server.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service as HyperService, service_fn};
use hyper_util::service::TowerToHyperService;
use rcgen::CertifiedKey;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::server::serve;
use super::service::is_exchange;
use super::{GuardedBody, Sandbox, SandboxClient};
use crate::origin::Base;
use crate::{BoxError, FiskilAuthLayer, ProvideCredentials, TokenClient, tls};

impl Sandbox {
    /// Serves it over HTTPS (HTTP/1.1) on a free port of 127.0.0.1, until the
    /// returned handle is dropped.
    ///
    /// It needs a tokio runtime with I/O. Don't pause the time: a paused clock
    /// jumps to the next timeout whenever all tasks wait for a socket.
    ///
    /// # Errors
    ///
    /// If the port can't be bound, or the TLS provider is of no use. The provider
    /// is [chosen](crate#tls-provider) as the default HTTPS client's is.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use fiskil_auth::sandbox::Sandbox;
    /// use http::{Request, StatusCode};
    /// use http_body_util::Empty;
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let server = Sandbox::new().serve_https().await?;
    /// let api = ServiceBuilder::new()
    ///     .layer(server.layer())
    ///     .service(server.client());
    ///
    /// let uri = format!("{}/v1/end-users", server.base_url());
    /// let request = Request::get(uri).body(Empty::<Bytes>::new())?;
    /// assert_eq!(api.oneshot(request).await?.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn serve_https(&self) -> io::Result<HttpsSandbox> {
        self.serve_hyper(TowerToHyperService::new(self.service()))
            .await
    }

    /// Like [`serve_https`](Self::serve_https), with routes of your own
    /// [behind its tokens](Self::guard) beside the token endpoint, instead of the
    /// API. What they fail with ends the connection.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use bytes::Bytes;
    /// use fiskil_auth::sandbox::Sandbox;
    /// use http::{Request, StatusCode};
    /// use http_body_util::Empty;
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let routes = Router::new().route("/v1/accounts", get(async || "one, two"));
    /// let server = Sandbox::new().serve_https_with(routes).await?;
    /// let api = ServiceBuilder::new()
    ///     .layer(server.layer())
    ///     .service(server.client());
    ///
    /// let uri = format!("{}/v1/accounts", server.base_url());
    /// let request = Request::get(uri).body(Empty::<Bytes>::new())?;
    /// assert_eq!(api.oneshot(request).await?.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`serve_https`](Self::serve_https).
    pub async fn serve_https_with<S, R>(&self, routes: S) -> io::Result<HttpsSandbox>
    where
        S: Service<Request<Incoming>, Response = Response<R>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let (endpoint, routes) = (self.service(), self.guard(routes));
        let service = service_fn(move |request: Request<Incoming>| {
            let (mut endpoint, mut routes) = (endpoint.clone(), routes.clone());
            async move {
                if is_exchange(&request) {
                    let Ok(answer) = endpoint.call(request).await;
                    return Ok(answer.map(GuardedBody::own));
                }
                poll_fn(|cx| routes.poll_ready(cx)).await?;
                routes.call(request).await
            }
        });
        self.serve_hyper(service).await
    }

    async fn serve_hyper<S, R>(&self, service: S) -> io::Result<HttpsSandbox>
    where
        S: HyperService<Request<Incoming>, Response = Response<R>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let names = [Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let certificate_pem = certified.cert.pem();
        let provider = tls::provider().map_err(io::Error::other)?;
        let client = client_config(provider.clone(), certified.cert.der().clone())
            .map_err(io::Error::other)?;
        let server = server_config(provider, certified).map_err(io::Error::other)?;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let base = Base::parse(base_url(address)).map_err(io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let server = tokio::spawn(serve(listener, acceptor, service));
        Ok(HttpsSandbox {
            sandbox: self.clone(),
            address,
            base,
            certificate_pem,
            client,
            server,
        })
    }
}

/// A [`Sandbox`] served over HTTPS on loopback: see [`Sandbox::serve_https`].
///
/// Dropping it stops the server and cuts its connections.
///
/// A client of your own has to trust its certificate. For reqwest:
///
/// ```
/// use fiskil_auth::sandbox::Sandbox;
/// use reqwest::{Certificate, Client};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
/// let server = Sandbox::new().serve_https().await?;
/// let certificate = Certificate::from_pem(server.certificate_pem().as_bytes())?;
/// let client = Client::builder().tls_certs_only([certificate]).build()?;
///
/// let uri = format!("{}/v1/end-users", server.base_url());
/// assert_eq!(client.get(uri).send().await?.status(), 401);
/// # Ok(())
/// # }
/// ```
pub struct HttpsSandbox {
    sandbox: Sandbox,
    address: SocketAddr,
    base: Base,
    certificate_pem: String,
    client: ClientConfig,
    server: JoinHandle<()>,
}

impl HttpsSandbox {
    /// `https://127.0.0.1:` and the port, without a slash at the end.
    pub fn base_url(&self) -> String {
        base_url(self.address)
    }

    /// A layer with the sandbox's [credentials](Sandbox::credentials), in the place
    /// of the one that a program makes with
    /// [`FiskilAuthLayer::new`] or [`from_env`](FiskilAuthLayer::from_env): its
    /// exchanges go to this server, and its token to this server's origin only.
    ///
    /// An exchange is one attempt; the default token service makes up to three.
    #[must_use]
    pub fn layer(&self) -> FiskilAuthLayer {
        self.layer_for(self.sandbox.credentials())
    }

    /// Like [`layer`](Self::layer), with other credentials: wrong ones, or a provider
    /// whose rotation is tested.
    #[must_use]
    pub fn layer_for(&self, credentials: impl ProvideCredentials) -> FiskilAuthLayer {
        let tokens = TokenClient::at(self.client(), self.base.token_endpoint.clone());
        FiskilAuthLayer::build(credentials, tokens, self.base.origin.clone())
    }

    /// The self-signed certificate for `127.0.0.1` and `localhost`, for clients
    /// of your own to trust. It is made anew for every server.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// An HTTP client that trusts this certificate and no other, with a
    /// connection pool of its own.
    pub fn client<B>(&self) -> SandboxClient<B>
    where
        B: Body<Data: Send> + Send,
    {
        SandboxClient::new(self.client.clone())
    }
}

impl fmt::Debug for HttpsSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsSandbox")
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

impl Drop for HttpsSandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn base_url(address: SocketAddr) -> String {
    format!("https://{address}")
}

fn server_config(
    provider: Arc<CryptoProvider>,
    certified: CertifiedKey<rcgen::KeyPair>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certified.cert.der().clone()],
            certified.signing_key.into(),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn client_config(
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
