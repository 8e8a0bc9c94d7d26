//! What TLS is set up with: the provider of cryptography, on whose features nothing
//! else depends, and the platform's trust store.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::{Error, ErrorKind};

/// The provider that is installed for the process, or else the one that is
/// compiled in. It is always named: rustls' own choice panics where two are
/// compiled in and none is installed.
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(installed.clone());
    }
    compiled_in().map(Arc::new).ok_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            "there is no TLS provider: enable the feature aws-lc-rs or ring of fiskil-auth, \
             or install one before the first request (CryptoProvider::install_default of rustls)",
        )
    })
}

/// TLS for a client that trusts what the platform trusts.
pub(crate) fn client_config() -> Result<ClientConfig, Error> {
    // TLS 1.3 or 1.2: rustls has nothing older that could be agreed on.
    ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map(|config| config.with_no_client_auth())
        .map_err(unusable)
}

fn unusable(error: rustls::Error) -> Error {
    Error::new(
        ErrorKind::Configuration,
        "TLS can't be set up (see the source): install the platform's CA certificates \
         (often a package named ca-certificates), check the TLS provider that is installed, \
         or bring an HTTP client of your own",
    )
    .with_source(error)
}

#[cfg(feature = "aws-lc-rs")]
fn compiled_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn compiled_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn compiled_in() -> Option<CryptoProvider> {
    None
}
