//! The sandbox over HTTPS on loopback: its certificate and its server.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::CertifiedKey;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio_rustls::TlsAcceptor;

use super::{Sandbox, SandboxClient, SandboxService};
use crate::origin::Base;
use crate::{FiskilAuthLayer, ProvideCredentials, TokenClient, tls};

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
    pub async fn serve_https(&self) -> io::Result<HttpsSandbox> {
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
        let server = tokio::spawn(serve(listener, acceptor, self.service()));
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

/// Accepts for ever. The connections' tasks end with this one.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor, service: SandboxService) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve_connection(stream, acceptor.clone(), service.clone()));
            }
            // One client's bad luck, or no file descriptors left for a while.
            Err(_) => yield_now().await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Errors end the connection, and the client sees that: nobody else cares.
async fn serve_connection(stream: TcpStream, acceptor: TlsAcceptor, service: SandboxService) {
    if let Ok(stream) = acceptor.accept(stream).await {
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await;
    }
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
