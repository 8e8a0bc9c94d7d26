//! The errors that the cache itself comes to, and what to do about each.

use crate::{Error, ErrorKind};

pub(super) fn overdue() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "no token within the deadline: \
         check that the token endpoint can be reached and answers in time",
    )
}

pub(super) fn panicked() -> Error {
    Error::new(
        ErrorKind::TokenService,
        "the token service or the credentials provider panicked: \
         the panic's own message has been printed by the panic hook",
    )
}

pub(super) fn expired_on_arrival() -> Error {
    invalid_token(
        "the token had expired on arrival: \
         check the token service's expiry and this machine's clock",
    )
}

pub(super) fn invalidated_again() -> Error {
    invalid_token(
        "the token service handed out a token that was invalidated: it must not cache that one",
    )
}

pub(super) fn rejected_again() -> Error {
    invalid_token(
        "the API rejects the tokens that the token service hands out: \
         check that both belong to the same Fiskil environment",
    )
}

pub(super) fn short_lived() -> Error {
    invalid_token(
        "the token service hands out tokens that live for less than a second: \
         let it return longer ones",
    )
}

/// Transient, since the next token may be a good one.
fn invalid_token(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidToken, text).transient(true)
}
