//! In the place of the cryptography where no TLS provider is compiled in: no keys
//! can be had, so that nothing is stored and nothing is read.

use std::ops::Deref;

use zeroize::Zeroizing;

use crate::{Error, ErrorKind};

/// There is none.
pub(super) enum Key {}

impl Deref for Key {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        match *self {}
    }
}

/// There is none.
pub(super) enum Sealer {}

pub(super) type Nonce = [u8; 12];

pub(super) fn available() -> Result<(), Error> {
    Err(Error::new(
        ErrorKind::Configuration,
        "shared tokens are sealed by the cryptography of a TLS provider: \
         enable the feature aws-lc-rs or ring of fiskil-auth",
    ))
}

pub(super) fn derive(_: &[u8], _: &[u8], _: &[&[u8]]) -> Option<Key> {
    None
}

pub(super) fn tag(key: &Key, _: &[&[u8]]) -> [u8; 16] {
    match *key {}
}

pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    None
}

impl Sealer {
    pub(super) fn new(key: &Key) -> Option<Self> {
        match *key {}
    }

    pub(super) fn seal(&self, _: Nonce, _: &[u8], _: Zeroizing<Vec<u8>>) -> Option<Vec<u8>> {
        match *self {}
    }

    pub(super) fn open(&self, _: Nonce, _: &[u8], _: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::SharedTokens;
    use crate::ErrorKind;

    #[test]
    fn tokens_can_not_be_shared_without_cryptography() {
        let refused = SharedTokens::redis("redis://127.0.0.1").map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(ErrorKind::Configuration));
    }
}
