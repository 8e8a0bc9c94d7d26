//! A failed exchange as the store keeps it for the whole fleet: what failed,
//! until when that holds the next exchange back, and how many came before it.

use std::time::Duration;

use http::StatusCode;
use zeroize::Zeroizing;

use super::keys::Keys;
use super::protocol::{HOLD_FRONT, NONCE, StoreTime, VERSION, millis};
use crate::{Error, ErrorKind};

/// What is known of a failed exchange.
#[derive(Debug)]
pub(super) struct Refusal {
    /// As another process reports it.
    pub(super) error: Error,
    /// How long the hold was when it began.
    pub(super) hold: Duration,
    /// The failures in a row, this one included.
    pub(super) failures: u32,
}

/// Whether a failure says something of the token service, and so concerns the
/// whole fleet, or of this one process.
pub(super) fn is_of_the_service(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Refused
        | ErrorKind::Unavailable
        | ErrorKind::Certificate
        | ErrorKind::InvalidAnswer
        | ErrorKind::InvalidToken
        | ErrorKind::TokenService
        | ErrorKind::Timeout => true,
        ErrorKind::Configuration | ErrorKind::Credentials | ErrorKind::Runtime => false,
    }
}

/// The entry for `refusal`, which holds the fleet back `until` then.
pub(super) fn seal(keys: &Keys, refusal: &Refusal, until: StoreTime) -> Option<Vec<u8>> {
    let plain = Zeroizing::new(encode(refusal)?);
    keys.seal(&keys.names.hold, &front(until), plain)
}

/// `None` for what these credentials did not seal, or not as such an entry.
pub(super) fn open(keys: &Keys, entry: &[u8]) -> Option<Refusal> {
    decode(&keys.open(&keys.names.hold, HOLD_FRONT, entry)?)
}

/// What tells an entry from all others.
pub(super) fn front_of(entry: &[u8]) -> &[u8] {
    entry.get(..HOLD_FRONT + NONCE).unwrap_or(entry)
}

/// In digits, for the store compares it with its clock.
fn front(until: StoreTime) -> Vec<u8> {
    let mut front = vec![VERSION];
    front.extend_from_slice(format!("{:015}", until.0).as_bytes());
    front
}

fn encode(refusal: &Refusal) -> Option<Vec<u8>> {
    let Refusal {
        error,
        hold,
        failures,
    } = refusal;
    let mut plain = Vec::new();
    plain.extend_from_slice(&u32::try_from(millis(*hold)).ok()?.to_be_bytes());
    plain.extend_from_slice(&failures.to_be_bytes());
    plain.push(code(error.kind()));
    plain.push(u8::from(error.is_transient()));
    let status = error.status().map_or(0, |status| status.as_u16());
    plain.extend_from_slice(&status.to_be_bytes());
    for text in [error.error_id(), error.error_name()] {
        let text = text.unwrap_or_default();
        plain.push(u8::try_from(text.len()).ok()?);
        plain.extend_from_slice(text.as_bytes());
    }
    Some(plain)
}

fn decode(plain: &[u8]) -> Option<Refusal> {
    let (hold, rest) = plain.split_first_chunk()?;
    let (failures, rest) = rest.split_first_chunk()?;
    let (&[kind, transient], rest) = rest.split_first_chunk()?;
    let (status, rest) = rest.split_first_chunk()?;
    let (id, rest) = text(rest)?;
    let (name, _) = text(rest)?;
    let status = StatusCode::from_u16(u16::from_be_bytes(*status)).ok();
    let error = Error::new(kind_of(kind)?, SHARED)
        .transient(transient != 0)
        .with_answer(status, id, name);
    Some(Refusal {
        error,
        hold: Duration::from_millis(u32::from_be_bytes(*hold).into()),
        failures: u32::from_be_bytes(*failures),
    })
}

fn text(plain: &[u8]) -> Option<(Option<Box<str>>, &[u8])> {
    let (&length, rest) = plain.split_first()?;
    let (text, rest) = rest.split_at_checked(length.into())?;
    let text = std::str::from_utf8(text).ok()?;
    Some(((!text.is_empty()).then(|| text.into()), rest))
}

fn code(kind: ErrorKind) -> u8 {
    let known = KINDS.iter().find(|(other, _)| *other == kind);
    known.map_or(0, |(_, code)| *code)
}

fn kind_of(code: u8) -> Option<ErrorKind> {
    let known = KINDS.iter().find(|(_, other)| *other == code);
    known.map(|(kind, _)| *kind)
}

const KINDS: [(ErrorKind, u8); 7] = [
    (ErrorKind::Refused, 1),
    (ErrorKind::Unavailable, 2),
    (ErrorKind::Certificate, 3),
    (ErrorKind::InvalidAnswer, 4),
    (ErrorKind::InvalidToken, 5),
    (ErrorKind::TokenService, 6),
    (ErrorKind::Timeout, 7),
];

const SHARED: &str = "another process of the fleet was refused a token: \
     its own log tells more, and until the next attempt the whole fleet is held back";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::protocol::HOLD_ENTRY;
    use super::*;
    use crate::Credentials;

    fn refusal(kind: ErrorKind, status: Option<StatusCode>, id: Option<&str>) -> Refusal {
        Refusal {
            error: Error::new(kind, "as it was").with_answer(
                status,
                id.map(Into::into),
                id.map(Into::into),
            ),
            hold: Duration::from_millis(1234),
            failures: 5,
        }
    }

    fn keys() -> Keys {
        Keys::new("fleet", &Credentials::new("id", "secret")).unwrap()
    }

    #[test]
    fn a_refusal_comes_back_as_it_was() {
        let keys = keys();
        let id = "x".repeat(128);
        for (kind, _) in KINDS {
            for status in [None, Some(StatusCode::UNAUTHORIZED)] {
                for transient in [true, false] {
                    for id in [None, Some(id.as_str())] {
                        let before = refusal(kind, status, id);
                        let before = Refusal {
                            error: before.error.transient(transient),
                            ..before
                        };
                        let entry = seal(&keys, &before, StoreTime(1_700_000_000_000)).unwrap();
                        assert!(HOLD_ENTRY.contains(&entry.len()));
                        let after = open(&keys, &entry).unwrap();
                        assert_eq!(after.error.kind(), kind);
                        assert_eq!(after.error.is_transient(), transient);
                        assert_eq!(after.error.status(), status);
                        assert_eq!(after.error.error_id(), id);
                        assert_eq!(after.error.error_name(), id);
                        assert_eq!((after.hold, after.failures), (before.hold, 5));
                    }
                }
            }
        }
    }

    #[test]
    fn a_refusal_can_not_be_changed_or_read_by_others() {
        let own = keys();
        let status = Some(StatusCode::BAD_GATEWAY);
        let refusal = refusal(ErrorKind::Unavailable, status, Some("err_1"));
        let entry = seal(&own, &refusal, StoreTime(1)).unwrap();
        for at in 0..entry.len() {
            let mut changed = entry.clone();
            changed[at] ^= 1;
            assert!(open(&own, &changed).is_none(), "byte {at}");
            assert!(open(&own, &entry[..at]).is_none(), "{at} bytes");
        }
        let other = Keys::new("fleet", &Credentials::new("id", "other")).unwrap();
        assert!(open(&other, &entry).is_none());
    }

    /// Whoever changes this changes the version, too.
    #[test]
    fn the_format_is_fixed() {
        let status = Some(StatusCode::TOO_MANY_REQUESTS);
        let plain = encode(&refusal(ErrorKind::Unavailable, status, Some("e"))).unwrap();
        assert_eq!(
            plain,
            b"\x00\x00\x04\xd2\x00\x00\x00\x05\x02\x01\x01\xad\x01e\x01e"
        );
        assert_eq!(front(StoreTime(1_700_000_000_000)), b"\x01001700000000000");
    }
}
