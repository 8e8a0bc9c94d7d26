//! What becomes of an exchange: what is answered, and what the log says of it.

use std::fmt;
use std::time::Duration;

use http::{Response, StatusCode};

use super::{Fault, SandboxBody, answer};

pub(super) enum Exchanged {
    Issued {
        value: String,
        lifetime: Duration,
    },
    /// The pair's latest token again, with what is left of its lifetime.
    Repeated {
        value: String,
        left: Duration,
    },
    /// Its request is none: its body could not be read, or is not declared to be
    /// JSON, or has no pair in it.
    Malformed,
    /// The pair is unknown, or was revoked.
    Refused,
    Failed(Fault),
    /// A script had no step left.
    BeyondScript,
}

impl Exchanged {
    /// `None` is for ever without one.
    pub(super) fn answer(&self) -> Option<Response<SandboxBody>> {
        Some(match self {
            Self::Issued { value, lifetime } => answer::token(value, *lifetime),
            Self::Repeated { value, left } => answer::token(value, *left),
            Self::Malformed => answer::error(
                StatusCode::BAD_REQUEST,
                "client_id and client_secret are required, as strings in a JSON object",
            ),
            Self::Refused => answer::error(StatusCode::UNAUTHORIZED, "invalid client credentials"),
            Self::Failed(fault) => return fault.answer(),
            Self::BeyondScript => answer::beyond_script(),
        })
    }
}

impl fmt::Display for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued { lifetime, .. } => {
                write!(f, "200, a token for {} s", lifetime.as_secs_f64())
            }
            Self::Repeated { left, .. } => {
                write!(f, "200, the same token for {} s", left.as_secs_f64())
            }
            Self::Malformed => f.write_str("400, it had no pair of credentials"),
            Self::Refused => f.write_str("401, the pair is not accepted"),
            Self::Failed(fault) => write!(f, "{fault:?}, as it was told to"),
            Self::BeyondScript => f.write_str("410, the script had no step left"),
        }
    }
}
