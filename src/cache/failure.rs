//! The errors that the cache itself comes to, and what to do about each.

use super::core::Fault;
use crate::runtime;
use crate::{Error, ErrorKind};

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Overdue => overdue(),
            Fault::ExpiredOnArrival => invalid_token(
                "the token had expired on arrival: \
                 check the token service's expiry and this machine's clock",
            ),
            Fault::InvalidatedAgain => invalid_token(
                "the token service handed out a token that was invalidated: \
                 it must not cache that one",
            ),
            Fault::RejectedAgain => invalid_token(
                "the API rejected the token, and the token service handed out the same one again: \
                 it must not cache one that was rejected",
            ),
            Fault::ShortLived => invalid_token(
                "the token service hands out tokens that live for less than a second: \
                 let it return longer ones",
            ),
            Fault::LostAgain => runtime::shut_down(),
            Fault::InvalidatedSoon => invalid_token(
                "the token was invalidated within a second: \
                 the next one is fetched once that has passed",
            ),
        }
    }
}

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

/// Transient, since the next token may be a good one.
fn invalid_token(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidToken, text).transient(true)
}
