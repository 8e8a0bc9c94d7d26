//! The entry of a token in the store: sealed, with a tag in front by which the
//! store tells tokens apart without reading them.

use std::time::Duration;

use zeroize::Zeroizing;

use super::crypto;
use super::keys::Keys;
use super::protocol::{Id, NONCE, StoreTime, TOKEN_FRONT, Tag, VERSION, millis};
use crate::Token;
use crate::cache::usable_for;

/// What stands in the place of the token.
#[derive(Debug)]
pub(super) enum Entry {
    Token(Stored),
    /// Tokens live too briefly to be shared: everybody exchanges alone.
    TooBrief,
}

/// A token of another process.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) token: Token,
    pub(super) id: Id,
    expires: StoreTime,
}

impl Stored {
    /// How long the token is used, where the key lives for `left`: until the
    /// process that exchanged it gives it up, too. Not at all where more is left
    /// than when it was new: then the clock was set back, and nothing tells.
    pub(super) fn usable(&self, now: StoreTime, left: Option<Duration>) -> Duration {
        let lifetime = self.token.lifetime();
        let own = self.expires.since(now);
        if own > lifetime {
            return Duration::ZERO;
        }
        let margin = lifetime.saturating_sub(usable_for(lifetime));
        left.map_or(own, |left| left.min(own))
            .saturating_sub(margin)
    }
}

/// The entry for a token, which lives for its whole lifetime until `expires`.
pub(super) fn seal(keys: &Keys, token: &Token, expires: StoreTime) -> Option<(Vec<u8>, Id)> {
    let id = crypto::random()?;
    let value = token.value();
    let plain = plain(TOKEN, expires, token.lifetime(), value.as_bytes());
    let front = front(keys.tag(token), id);
    Some((keys.seal(&keys.names.token, &front, plain)?, id))
}

/// The entry that tells everybody to exchange alone.
pub(super) fn seal_too_brief(keys: &Keys, expires: StoreTime) -> Option<Vec<u8>> {
    let plain = plain(TOO_BRIEF, expires, Duration::ZERO, &[]);
    let front = front(keys.tag_of(""), crypto::random()?);
    keys.seal(&keys.names.token, &front, plain)
}

/// `None` for what these credentials did not seal, or not as such an entry.
pub(super) fn open(keys: &Keys, entry: &[u8]) -> Option<Entry> {
    let plain = keys.open(&keys.names.token, TOKEN_FRONT, entry)?;
    let id = *entry.get(..TOKEN_FRONT)?.last_chunk()?;
    let (&kind, rest) = plain.split_first()?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (lifetime, value) = rest.split_first_chunk()?;
    match kind {
        TOKEN => {
            let lifetime = Duration::from_millis(u64::from_be_bytes(*lifetime));
            let value = std::str::from_utf8(value).ok()?;
            Some(Entry::Token(Stored {
                token: Token::new(value, lifetime).ok()?,
                id,
                expires: StoreTime(u64::from_be_bytes(*expires)),
            }))
        }
        TOO_BRIEF => Some(Entry::TooBrief),
        _ => None,
    }
}

/// What tells an entry from all others.
pub(super) fn front_of(entry: &[u8]) -> &[u8] {
    entry.get(..TOKEN_FRONT + NONCE).unwrap_or(entry)
}

fn front(tag: Tag, id: Id) -> Vec<u8> {
    [&[VERSION][..], &tag, &id].concat()
}

fn plain(kind: u8, expires: StoreTime, lifetime: Duration, value: &[u8]) -> Zeroizing<Vec<u8>> {
    let expires = expires.0.to_be_bytes();
    let lifetime = millis(lifetime).to_be_bytes();
    Zeroizing::new([&[kind][..], &expires, &lifetime, value].concat())
}

const TOKEN: u8 = 0;
const TOO_BRIEF: u8 = 1;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::super::protocol::TOKEN_ENTRY;
    use super::*;
    use crate::Credentials;

    fn keys(namespace: &str, id: &str, secret: &str) -> Keys {
        Keys::new(namespace, &Credentials::new(id, secret)).unwrap()
    }

    fn token() -> Token {
        Token::new("a-token", Duration::from_secs(900)).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whoever changes this changes the version, too: two versions of the crate
    /// in one fleet must not misread each other.
    #[test]
    fn the_format_is_fixed() {
        let keys = keys("fiskil-auth", "client-id", "client-secret");
        assert_eq!(
            keys.names.token,
            "fiskil-auth:{eb30c59108262361cbe4c150c7a71a3c}:token"
        );
        let id = *b"12345678";
        let front = front(keys.tag(&token()), id);
        let expires = StoreTime(1_700_000_000_000);
        let plain = plain(TOKEN, expires, token().lifetime(), b"a-token");
        let entry = keys.seal_with(*b"123456789012", &keys.names.token, &front, &plain);
        assert_eq!(
            hex(&entry),
            "01154b21011ba88e7a3c79012637d8501931323334353637383132333435363738393031324e61\
             745884f175dcf7794da2ed2f7c1ee4e2e4f4163de2b583b47ad0c94775087cf5f56b423f0e5a"
        );
        let Some(Entry::Token(stored)) = open(&keys, &entry) else {
            panic!("not a token");
        };
        assert!(stored.token.is_same_value(&token()));
        assert_eq!((stored.id, stored.expires), (id, expires));
    }

    #[test]
    fn an_entry_can_not_be_changed_moved_or_read_by_others() {
        let own = keys("fleet", "id", "secret");
        let (entry, _) = seal(&own, &token(), StoreTime(900_000)).unwrap();
        assert!(matches!(open(&own, &entry), Some(Entry::Token(_))));
        for at in 0..entry.len() {
            let mut changed = entry.clone();
            changed[at] ^= 1;
            assert!(open(&own, &changed).is_none(), "byte {at}");
            assert!(open(&own, &entry[..at]).is_none(), "{at} bytes");
        }
        for other in [
            keys("other", "id", "secret"),
            keys("fleet", "other", "secret"),
            keys("fleet", "id", "other"),
        ] {
            assert_ne!(other.names.token, own.names.token);
            assert!(open(&other, &entry).is_none());
        }
        let moved = own.open(&own.names.hold, TOKEN_FRONT, &entry);
        assert!(moved.is_none());
    }

    #[test]
    fn an_entry_shows_nothing_of_the_token() {
        let keys = keys("fleet", "id", "secret");
        let token = Token::new("x".repeat(64), Duration::from_secs(900)).unwrap();
        let (entry, _) = seal(&keys, &token, StoreTime(900_000)).unwrap();
        assert!(!entry.windows(4).any(|piece| piece == b"xxxx"));
    }

    #[test]
    fn the_longest_and_the_shortest_entry_are_read() {
        let keys = keys("fleet", "id", "secret");
        let token = Token::new("x".repeat(8192), Duration::from_secs(900)).unwrap();
        let (entry, _) = seal(&keys, &token, StoreTime(900_000)).unwrap();
        assert!(TOKEN_ENTRY.contains(&entry.len()));
        let shortest = seal_too_brief(&keys, StoreTime(900_000)).unwrap();
        assert!(TOKEN_ENTRY.contains(&shortest.len()));
    }

    #[test]
    fn what_is_usable_is_the_smaller_of_what_the_key_and_the_entry_say() {
        let keys = keys("fleet", "id", "secret");
        let (entry, _) = seal(&keys, &token(), StoreTime(1_000_000)).unwrap();
        let Some(Entry::Token(stored)) = open(&keys, &entry) else {
            panic!("not a token");
        };
        let seconds = Duration::from_secs;
        // The margin of 900 s is 10 s, however little is left of them.
        let usable = |now, left| stored.usable(StoreTime(now), left);
        assert_eq!(usable(400_000, None), seconds(590));
        assert_eq!(usable(400_000, Some(seconds(100))), seconds(90));
        assert_eq!(usable(400_000, Some(seconds(700))), seconds(590));
        assert_eq!(usable(990_000, Some(seconds(700))), Duration::ZERO);
        assert_eq!(usable(1_000_001, Some(seconds(700))), Duration::ZERO);
        // The clock was set back to before the token was made.
        assert_eq!(usable(99_999, Some(seconds(700))), Duration::ZERO);
    }
}
