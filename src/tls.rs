//! Which provider of cryptography TLS uses. All that depends on the features
//! for it is here.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

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
