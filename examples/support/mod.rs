//! What the examples share: Fiskil or a sandbox in its place, and `check`, which
//! says what happened.
#![allow(dead_code, unreachable_pub, clippy::print_stdout)]

use fiskil_auth::sandbox::{HttpsSandbox, Sandbox};
use fiskil_auth::{Credentials, FiskilAuthLayer, TokenClient};
use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// hyper-util's client over rustls.
pub type HttpsClient<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Fiskil, or a sandbox over HTTPS on loopback in its place.
pub struct Fiskil {
    sandbox: Option<(Sandbox, HttpsSandbox)>,
}

impl Fiskil {
    /// The real one if `FISKIL_CLIENT_ID` is set.
    pub async fn from_env() -> Outcome<Self> {
        if std::env::var_os("FISKIL_CLIENT_ID").is_some() {
            println!("FISKIL_CLIENT_ID is set: this is https://api.fiskil.com.\n");
            return Ok(Self { sandbox: None });
        }
        let sandbox = Sandbox::new();
        let server = sandbox.serve_https().await?;
        let base = server.base_url();
        println!("FISKIL_CLIENT_ID is not set: a sandbox at {base} stands in.\n");
        Ok(Self {
            sandbox: Some((sandbox, server)),
        })
    }

    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref().map(|(sandbox, _)| sandbox)
    }

    pub fn credentials(&self) -> Outcome<Credentials> {
        Ok(match self.sandbox() {
            None => Credentials::from_env()?,
            Some(sandbox) => sandbox.credentials(),
        })
    }

    /// Where requests go.
    pub fn base_url(&self) -> String {
        let fiskil = || "https://api.fiskil.com".to_owned();
        self.server().map_or_else(fiskil, HttpsSandbox::base_url)
    }

    /// For Fiskil, `FiskilAuthLayer::new(credentials)` is all it takes. The rest is for
    /// the sandbox.
    pub fn layer(&self, credentials: Credentials) -> Outcome<FiskilAuthLayer> {
        let Some(server) = self.server() else {
            return Ok(FiskilAuthLayer::new(credentials));
        };
        let endpoint = format!("{}/v1/token", server.base_url());
        let tokens = TokenClient::new(server.client()).endpoint(endpoint)?;
        let layer = FiskilAuthLayer::with_token_service(credentials, tokens);
        Ok(layer.allow_origin(server.base_url())?)
    }

    /// An HTTPS client, which trusts the sandbox's certificate.
    pub fn https_client<B>(&self) -> Outcome<HttpsClient<B>>
    where
        B: Body<Data: Send> + Send,
    {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls()?)
            .https_only()
            .enable_http1()
            .build();
        Ok(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// TLS that trusts what the platform trusts, or the sandbox alone.
    pub fn tls(&self) -> Outcome<ClientConfig> {
        match self.server() {
            None => Ok(ClientConfig::builder()
                .with_platform_verifier()?
                .with_no_client_auth()),
            Some(server) => trusting(server),
        }
    }

    fn server(&self) -> Option<&HttpsSandbox> {
        self.sandbox.as_ref().map(|(_, server)| server)
    }
}

/// TLS that trusts this sandbox and nobody else.
pub fn trusting(server: &HttpsSandbox) -> Outcome<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(
        server.certificate_pem().as_bytes(),
    )?)?;
    Ok(ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Says what happened, or fails if it did not.
pub fn check(happened: bool, what: &str) -> Outcome<()> {
    if !happened {
        return Err(format!("this did not happen: {what}").into());
    }
    println!("  ✓ {what}");
    Ok(())
}

/// Announces the next part of the story.
pub fn step(number: u32, text: &str) {
    if number > 1 {
        println!();
    }
    println!(" {number}. {text}");
}
