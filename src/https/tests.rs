//! The default client against servers on loopback. Real time: sockets don't
//! know of a paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod provider;
mod security;
mod tls;

use std::any::Any;
use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::*;
use crate::Credentials;
use crate::ErrorKind;

#[tokio::test]
async fn it_exchanges_over_http_1_and_tries_again_over_another_connection() {
    let server = Server::start(&[BUSY, TOKEN]).await;
    let service = HttpsTokenService::at(server.uri("http"));
    let token = exchange(service).await.unwrap();
    assert_eq!(token.value(), "yMWEx");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn clones_share_a_client_that_keeps_no_connection() {
    let server = Server::start(&[TOKEN, TOKEN]).await;
    let service = HttpsTokenService::at(server.uri("http"));
    exchange(service.clone()).await.unwrap();
    assert!(service.client.get().is_some());
    exchange(service).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_closed_port_is_a_transient_failure_with_its_cause() {
    // Not one that was just closed: another test could be given it.
    let service = HttpsTokenService::at(Uri::from_static("http://127.0.0.1:1/v1/token"));
    let error = exchange(service).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());
    assert!(error.cause().unwrap().contains("refused"), "{error:?}");
}

#[test]
fn it_is_made_and_called_outside_a_runtime() {
    let mut service = HttpsTokenService::at(Uri::from_static("http://127.0.0.1:9"));
    drop(service.call(request()));
}

// The trust store comes from a variable of the environment where that is how
// the platform has it, so each of these exchanges needs a process of its own.

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_certificate_that_the_platform_trusts_is_accepted() {
    let server = Server::start_tls(&[TOKEN]).await;
    let outcome = exchange_with_trust_store(server.uri("https"), &server.certificate).await;
    assert!(outcome.contains("outcome: token"), "{outcome}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_a_permanent_failure() {
    let server = Server::start_tls(&[TOKEN]).await;
    let other = Server::start_tls(&[]).await;
    let outcome = exchange_with_trust_store(server.uri("https"), &other.certificate).await;
    assert!(
        outcome.contains("outcome: Certificate, transient false"),
        "{outcome}"
    );
    assert_eq!(server.connections(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_missing_trust_store_is_an_error_of_the_exchange() {
    let server = Server::start_tls(&[TOKEN]).await;
    let outcome = exchange_with_trust_store(server.uri("https"), "").await;
    assert!(
        outcome.contains("outcome: Configuration, transient false"),
        "{outcome}"
    );
    assert_eq!(server.connections(), 0);
}

/// The tests above run this one with another URI, in a process of its own.
#[test]
fn a_host_that_is_not_there_is_a_transient_failure() {
    let given = env::var(URI_VARIABLE).ok();
    let uri = given.as_deref().unwrap_or("https://127.0.0.1:1/v1/token");
    let service = HttpsTokenService::at(uri.parse().unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = match runtime.block_on(exchange(service)) {
        Ok(_) => "outcome: token".to_owned(),
        Err(error) => format!(
            "outcome: {:?}, transient {}, {error:?}",
            error.kind(),
            error.is_transient()
        ),
    };
    println!("{outcome}");
    if given.is_none() {
        assert!(
            outcome.starts_with("outcome: Unavailable, transient true"),
            "{outcome}"
        );
    }
}

/// What the test above printed, with the given PEM as the trust store.
async fn exchange_with_trust_store(uri: Uri, pem: &str) -> String {
    let port = uri.port_u16().unwrap();
    let store = env::temp_dir().join(format!("fiskil-auth-{}-{port}.pem", std::process::id()));
    std::fs::write(&store, pem).unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args([
            "https::tests::a_host_that_is_not_there_is_a_transient_failure",
            "--exact",
        ])
        .arg("--nocapture")
        .env(URI_VARIABLE, uri.to_string())
        .env("SSL_CERT_FILE", &store)
        .env_remove("SSL_CERT_DIR");
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await;
    std::fs::remove_file(&store).unwrap();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Gives each connection the next of its answers.
struct Server {
    port: u16,
    certificate: String,
    connections: Arc<AtomicUsize>,
    secrets: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answers: &'static [&'static str]) -> Self {
        Self::serve(answers, None, String::new()).await
    }

    async fn start_tls(answers: &'static [&'static str]) -> Self {
        Self::start_tls_with(answers, certificate(), rustls::ALL_VERSIONS).await
    }

    async fn start_tls_with(
        answers: &'static [&'static str],
        certificate: CertificateParams,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = certificate.self_signed(&key).unwrap();
        let certificate = CertificateDer::from(made.der().to_vec());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(crate::tls::provider().unwrap())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve(answers, Some(acceptor), made.pem()).await
    }

    async fn serve(
        answers: &'static [&'static str],
        tls: Option<TlsAcceptor>,
        certificate: String,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let secrets = Arc::new(AtomicUsize::new(0));
        let received = Arc::clone(&secrets);
        tokio::spawn(async move {
            // Not closed: it is the client who must not keep them.
            let mut kept: Vec<Box<dyn Any + Send>> = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                match &tls {
                    None => kept.push(Box::new(talk(stream, answer, &received).await)),
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            kept.push(Box::new(talk(stream, answer, &received).await));
                        }
                    }
                }
            }
            std::future::pending::<()>().await;
        });
        Self {
            port,
            certificate,
            connections,
            secrets,
        }
    }

    fn uri(&self, scheme: &str) -> Uri {
        let port = self.port;
        format!("{scheme}://127.0.0.1:{port}/v1/token")
            .parse()
            .unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How often it was told the secret.
    fn secrets(&self) -> usize {
        self.secrets.load(Ordering::Relaxed)
    }
}

/// One for the name under which the servers are called.
fn certificate() -> CertificateParams {
    CertificateParams::new(["127.0.0.1".to_owned()]).unwrap()
}

async fn talk<S>(mut stream: S, answer: &str, secrets: &AtomicUsize) -> S
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut received = Vec::new();
    while !received.ends_with(b"\"client_secret\":\"secret\"}") {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
    }
    secrets.fetch_add(1, Ordering::Relaxed);
    let received = String::from_utf8(received).unwrap();
    assert!(
        received.starts_with("POST /v1/token HTTP/1.1\r\n"),
        "{received}"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

async fn exchange(service: HttpsTokenService) -> Result<Token, Error> {
    // A server that gets too many connections, or too few, leaves it waiting.
    let outcome = timeout(Duration::from_secs(30), service.oneshot(request())).await;
    outcome.expect("no answer")
}

fn request() -> TokenRequest {
    TokenRequest::new(Credentials::new("id", "secret"))
}

const URI_VARIABLE: &str = "FISKIL_AUTH_TEST_URI";

const TOKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 36\r\n\r\n\
    {\"token\":\"yMWEx\",\"expires_in\":900.0}";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
