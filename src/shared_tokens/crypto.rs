//! The cryptography, from the crate that the TLS library uses anyway.

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::{aead, hkdf, hmac, rand};
#[cfg(not(feature = "aws-lc-rs"))]
use ring::{aead, hkdf, hmac, rand};

use zeroize::Zeroizing;

use self::rand::SecureRandom;
use crate::Error;

/// 256 bits, as all of the algorithms here take.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// An error where no provider is compiled in (`no_crypto.rs`).
pub(super) fn available() -> Result<(), Error> {
    Ok(())
}

/// A key for one purpose, by HKDF with SHA-256 (RFC 5869).
pub(super) fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Option<Key> {
    let mut key = Key::default();
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, hkdf::HKDF_SHA256)
        .ok()?
        .fill(key.as_mut())
        .ok()?;
    Some(key)
}

/// The first half of an HMAC with SHA-256 (RFC 2104): 128 bits can't be guessed.
pub(super) fn tag(key: &Key, parts: &[&[u8]]) -> [u8; 16] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; 16];
    for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    tag
}

/// Unpredictable bytes; `None` where the system has none to give.
pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// ChaCha20-Poly1305 (RFC 8439) with one key.
pub(super) struct Sealer {
    key: aead::LessSafeKey,
}

/// Drawn for each sealing: a key seals a few hundred times a day, which is far
/// from where two of 96 bits are likely to meet.
pub(super) type Nonce = [u8; 12];

impl Sealer {
    pub(super) fn new(key: &Key) -> Option<Self> {
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key.as_ref()).ok()?;
        Some(Self {
            key: aead::LessSafeKey::new(key),
        })
    }

    /// Seals `plain` in its place; `bound` is authenticated with it.
    pub(super) fn seal(
        &self,
        nonce: Nonce,
        bound: &[u8],
        mut plain: Zeroizing<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        // Room for the tag: growing would leave a copy of the plain text behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(
            plain
                .len()
                .saturating_add(aead::CHACHA20_POLY1305.tag_len()),
        ));
        sealed.append(&mut plain);
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, aead::Aad::from(bound), &mut *sealed)
            .ok()?;
        Some(std::mem::take(&mut *sealed))
    }

    /// What was sealed with this key, `nonce` and `bound`.
    pub(super) fn open(
        &self,
        nonce: Nonce,
        bound: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let length = self
            .key
            .open_in_place(nonce, aead::Aad::from(bound), &mut bytes)
            .ok()?
            .len();
        bytes.truncate(length);
        Some(bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |sum, digit| sum << 4 | digit));
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    fn key(hex: &str) -> Key {
        Zeroizing::new(bytes(hex).try_into().unwrap())
    }

    #[test]
    fn keys_are_derived_as_rfc_5869_says() {
        // Its first test case, of which 32 bytes are used.
        let key = derive(
            &bytes("000102030405060708090a0b0c"),
            &[0x0b; 22],
            &[&bytes("f0f1f2f3f4"), &bytes("f5f6f7f8f9")],
        );
        assert_eq!(
            key.unwrap().to_vec(),
            bytes("3cb25f25faacd57a90434f64d0362f2a 2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
        );
    }

    #[test]
    fn tags_are_made_as_rfc_4231_says() {
        // Its second test case; the key is filled up with zeros by HMAC itself.
        let mut jefe = Key::default();
        for (to, from) in jefe.iter_mut().zip(b"Jefe") {
            *to = *from;
        }
        assert_eq!(
            tag(&jefe, &[b"what do ya ", b"want for nothing?"]).to_vec(),
            bytes("5bdcc146bf60754e6a042426089575c7")
        );
    }

    #[test]
    fn sealing_is_as_rfc_8439_says() {
        // The example of its section 2.8.2.
        let plain = b"Ladies and Gentlemen of the class of '99: \
            If I could offer you only one tip for the future, sunscreen would be it.";
        let sealed = bytes(
            "d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6
             3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36
             92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b 6116
             1ae10b594f09e26a7e902ecbd0600691",
        );
        let sealer = Sealer::new(&key(
            "808182838485868788898a8b8c8d8e8f 909192939495969798999a9b9c9d9e9f",
        ));
        let sealer = sealer.unwrap();
        let nonce: Nonce = bytes("070000004041424344454647").try_into().unwrap();
        let bound = bytes("50515253c0c1c2c3c4c5c6c7");

        let own = sealer.seal(nonce, &bound, Zeroizing::new(plain.to_vec()));
        assert_eq!(own.unwrap(), sealed);
        let opened = sealer.open(nonce, &bound, &sealed);
        assert_eq!(opened.unwrap().as_slice(), plain);
        assert!(sealer.open(nonce, &bound[1..], &sealed).is_none());
        assert!(sealer.open([0; 12], &bound, &sealed).is_none());
        assert!(sealer.open(nonce, &bound, &sealed[1..]).is_none());
        assert!(sealer.open(nonce, &bound, &[]).is_none());
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
    }
}
