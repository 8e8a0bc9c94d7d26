//! What a pair of credentials derives: the names of its keys in the store, and
//! what seals and tags the values.

use zeroize::Zeroizing;

use super::crypto::{self, Key, Nonce, Sealer};
use super::protocol::{LOCK_LENGTH, Lock, Names, Tag};
use crate::{Credentials, Token};

/// All that a pair of credentials has in one namespace.
///
/// The secret decides the names, too: processes with the old secret and with the
/// new one would fight over entries that the others can't read.
pub(super) struct Keys {
    pub(super) names: Names,
    sealer: Sealer,
    tags: Key,
}

impl Keys {
    /// `None` where the cryptography fails, which it has no reason to.
    pub(super) fn new(namespace: &str, credentials: &Credentials) -> Option<Self> {
        let secret = credentials.expose_secret().as_bytes();
        let id = credentials.client_id().as_bytes();
        let derive = |purpose: &str| crypto::derive(SALT, secret, &[purpose.as_bytes(), &[0], id]);
        let name = derive("name")?;
        let name: String = name
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // The braces make a Redis Cluster keep them all in one place.
        let name = |what: &str| format!("{namespace}:{{{name}}}:{what}");
        Some(Self {
            names: Names {
                token: name("token"),
                hold: name("hold"),
                lock: name("lock"),
                rejections: name("rejections"),
            },
            sealer: Sealer::new(&derive("seal")?)?,
            tags: derive("tag")?,
        })
    }

    /// What stands for a token where its value must not be seen.
    pub(super) fn tag(&self, token: &Token) -> Tag {
        self.tag_of(token.value())
    }

    pub(super) fn tag_of(&self, value: &str) -> Tag {
        crypto::tag(&self.tags, &[b"token", &[0], value.as_bytes()])
    }

    /// A lock of this process, for one fetch.
    pub(super) fn lock(&self) -> Option<Lock> {
        let owner: [u8; LOCK_LENGTH / 2] = crypto::random()?;
        Some(Lock([owner, self.lock_tag(&owner)].concat()))
    }

    /// Whether a process with the same credentials made this lock.
    pub(super) fn is_lock(&self, lock: &[u8]) -> bool {
        let parts = lock.split_at_checked(LOCK_LENGTH / 2);
        parts.is_some_and(|(owner, tag)| self.lock_tag(owner) == tag)
    }

    fn lock_tag(&self, owner: &[u8]) -> Tag {
        let name = self.names.lock.as_bytes();
        crypto::tag(&self.tags, &[b"lock", &[0], name, &[0], owner])
    }

    /// The value for the key `name`: `front` as it is, a nonce, and `plain`
    /// sealed. Name and front are authenticated.
    pub(super) fn seal(
        &self,
        name: &str,
        front: &[u8],
        plain: Zeroizing<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let nonce: Nonce = crypto::random()?;
        let sealed = self.sealer.seal(nonce, &bound(name, front), plain)?;
        Some([front, &nonce, &sealed].concat())
    }

    /// What was sealed under this name and with a front of that length.
    pub(super) fn open(
        &self,
        name: &str,
        front: usize,
        value: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (front, rest) = value.split_at_checked(front)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        self.sealer.open(*nonce, &bound(name, front), sealed)
    }

    #[cfg(test)]
    pub(super) fn seal_with(
        &self,
        nonce: Nonce,
        name: &str,
        front: &[u8],
        plain: &[u8],
    ) -> Vec<u8> {
        let plain = Zeroizing::new(plain.to_vec());
        let sealed = self.sealer.seal(nonce, &bound(name, front), plain);
        [front, &nonce, &sealed.unwrap_or_default()].concat()
    }
}

/// What an entry is bound to, so that it can't be moved or changed.
fn bound(name: &str, front: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &[0], front].concat()
}

/// Another version of the format has another salt, and so other names.
const SALT: &[u8] = b"fiskil-auth shared tokens, version 1";
