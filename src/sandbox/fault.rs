//! The ways in which the token endpoint can fail.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use super::SandboxBody;
use super::answer;

/// A way in which the token endpoint fails.
///
/// All but [`SameToken`](Self::SameToken) come before any check of the request.
/// `Debug` shows no body.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// It answers with this status and Fiskil's error object.
    Status(StatusCode),
    /// It answers 429 with Fiskil's error object and `Retry-After`.
    RateLimit {
        /// Rounded up to whole seconds.
        retry_after: Duration,
    },
    /// It never answers.
    Hang,
    /// It answers 200 at once, with a body of one blank per second that never
    /// ends.
    Trickle,
    /// It answers 200 with this body and Fiskil's content type.
    Body(Bytes),
    /// It answers exactly this.
    Answer(Response<Bytes>),
    /// It hands out its latest token once more, with what is left of its
    /// lifetime: one that was revoked stays revoked. If there is none yet, it
    /// issues one.
    SameToken,
}

impl Fault {
    /// What goes out instead of a token.
    pub(super) fn into_outcome(self) -> Outcome {
        Outcome::Answer(match self {
            Self::Hang => return Outcome::Never,
            Self::SameToken => return Outcome::Repeat,
            Self::Status(status) => answer::error(status, "a fault was asked for"),
            Self::RateLimit { retry_after } => {
                let mut answer =
                    answer::error(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded");
                let seconds = HeaderValue::from(seconds_rounded_up(retry_after));
                answer.headers_mut().insert(RETRY_AFTER, seconds);
                answer
            }
            Self::Trickle => answer::json(StatusCode::OK, SandboxBody::trickle()),
            Self::Body(body) => answer::json(StatusCode::OK, body),
            Self::Answer(answer) => answer.map(SandboxBody::from),
        })
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.debug_tuple("Status").field(status).finish(),
            Self::RateLimit { retry_after } => f
                .debug_struct("RateLimit")
                .field("retry_after", retry_after)
                .finish(),
            Self::Hang => f.write_str("Hang"),
            Self::Trickle => f.write_str("Trickle"),
            Self::Body(_) => f.debug_tuple("Body").finish_non_exhaustive(),
            Self::Answer(answer) => f
                .debug_tuple("Answer")
                .field(&answer.status())
                .finish_non_exhaustive(),
            Self::SameToken => f.write_str("SameToken"),
        }
    }
}

/// What a fault makes of an exchange.
pub(super) enum Outcome {
    Answer(Response<SandboxBody>),
    Never,
    /// The latest token again, if the request deserves one.
    Repeat,
}

fn seconds_rounded_up(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}
