//! One step of a script.

use std::time::Duration;

use super::Fault;

/// What a [`Script`](super::Script) makes of one exchange.
///
/// ```
/// use std::time::Duration;
///
/// use fiskil_auth::sandbox::{Fault, Step};
/// use http::StatusCode;
///
/// let unavailable = Step::from(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
/// let short = Step::Token { lifetime: Duration::from_secs(5) };
/// # drop((unavailable, short));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// It gets a token, if its request deserves one.
    Token {
        /// How long that lives, as with [`Sandbox::set_lifetime`](super::Sandbox::set_lifetime).
        lifetime: Duration,
    },
    /// It fails.
    Fault(Fault),
}

impl From<Fault> for Step {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
