//! Whether a request is let in with the token that it carries.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::pairs::PairId;

/// Whether a request is let in, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    pub(super) pair: Option<PairId>,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    LetIn,
    NoToken,
    UnknownToken,
    Expired,
    Revoked,
    /// As the sandbox was told to.
    RejectedAnyway,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LetIn => "let in",
            Self::NoToken => "401, it carried no token",
            Self::UnknownToken => "401, its token is unknown",
            Self::Expired => "401, its token has expired",
            Self::Revoked => "401, its token was revoked",
            Self::RejectedAnyway => "401, in spite of its valid token",
        })
    }
}

/// The token of the one `Authorization` header: with two it would be up to the
/// server which counts.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}
