//! An exchange through a proxy, as the page "Proxies and corporate networks" has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, ErrorKind, FiskilAuthLayer, TokenClient};
use http::{HeaderValue, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, proxy::Tunnel};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that wants a password. Counts the tunnels that it opened.
struct Proxy {
    address: String,
    tunnels: Arc<AtomicUsize>,
}

impl Proxy {
    async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tunnels = Arc::<AtomicUsize>::default();
        let opened = tunnels.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let opened = opened.clone();
                tokio::spawn(async move { tunnel(stream, &opened).await });
            }
        });
        Self { address, tunnels }
    }
}

async fn tunnel(stream: TcpStream, opened: &AtomicUsize) -> Result<(), BoxError> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await?;
    }
    let target = head
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next());
    // "user:password"
    if !head.contains("Basic dXNlcjpwYXNzd29yZA==") {
        stream.write_all(b"HTTP/1.1 407 No\r\n\r\n").await?;
        return Ok(());
    }
    let mut server = TcpStream::connect(target.ok_or("no target")?).await?;
    opened.fetch_add(1, Ordering::SeqCst);
    stream.write_all(b"HTTP/1.1 200 Fine\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut server).await?;
    Ok(())
}

fn trusting(pem: &str) -> Result<ClientConfig, BoxError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
    Ok(ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A layer on the sandbox, whose exchanges go through the proxy that `matcher` finds.
async fn through(sandbox: &Sandbox, proxy: &str) -> Result<FiskilAuthLayer, BoxError> {
    let server = Box::leak(Box::new(sandbox.serve_https().await?));
    let fiskil: Uri = server.base_url().parse()?;
    let matcher = Matcher::builder().https(proxy.to_owned()).build();
    let proxy = matcher.intercept(&fiskil).ok_or("no proxy")?;

    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
    if let Some(password) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(HeaderValue::clone(password));
    }
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(trusting(server.certificate_pem())?)
        .https_only()
        .enable_http1()
        .wrap_connector(tunnel);
    let http = Client::builder(TokioExecutor::new()).build(connector);
    let tokens = TokenClient::new(http).endpoint(format!("{fiskil}v1/token"))?;
    Ok(FiskilAuthLayer::with_token_service(
        sandbox.credentials(),
        tokens,
    ))
}

#[tokio::test]
async fn the_exchange_goes_through_the_proxy() {
    let (sandbox, proxy) = (Sandbox::new(), Proxy::serve().await);
    let address = format!("http://user:password@{}", proxy.address);
    let layer = through(&sandbox, &address).await.unwrap();
    layer.tokens().token().await.unwrap();
    assert_eq!(sandbox.counts().issued, 1);
    assert_eq!(proxy.tunnels.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_as_the_cause() {
    let (sandbox, proxy) = (Sandbox::new(), Proxy::serve().await);
    let layer = through(&sandbox, &format!("http://{}", proxy.address))
        .await
        .unwrap();
    let error = layer.tokens().token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let causes = std::iter::successors(std::error::Error::source(&error), |e| e.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    let said = causes.join(": ");
    assert!(
        said.contains("tunnel error: proxy authorization required"),
        "{said}"
    );
    assert_eq!(sandbox.counts().exchanges, 0);
}
