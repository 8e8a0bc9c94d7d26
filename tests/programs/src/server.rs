//! TLS for a program that brings its own provider: a server in front of the
//! sandbox's service, which insists on one cipher suite.

use std::sync::Arc;

use fiskil_auth::sandbox::Sandbox;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedCipherSuite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{Outcome, Server};

/// Not the first choice of any provider.
pub const SUITE: SupportedCipherSuite = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;

pub async fn serve(sandbox: &Sandbox) -> Outcome<Server> {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("https://{}", listener.local_addr()?);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let service = sandbox.service();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            // The server would rather have another one.
            assert_eq!(stream.get_ref().1.negotiated_cipher_suite(), Some(SUITE));
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(Server {
        base_url,
        certificate_pem: certified.cert.pem(),
        handle: Box::new(task),
    })
}
