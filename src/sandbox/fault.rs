//! The ways in which the token endpoint can fail.

use std::collections::VecDeque;
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
///
/// ```
/// use fiskil_auth::sandbox::{Fault, Sandbox};
/// use http::StatusCode;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let sandbox = Sandbox::new();
/// sandbox.fail_exchanges(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
///
/// let error = sandbox.layer().tokens().token().await.unwrap_err();
/// assert!(error.is_transient());
/// # }
/// ```
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
    /// The answer to an exchange that fails like this. `None` is none at all, and
    /// for [`SameToken`](Self::SameToken), which comes after the checks.
    pub(super) fn answer(&self) -> Option<Response<SandboxBody>> {
        match self {
            Self::Hang | Self::SameToken => None,
            Self::Status(status) => Some(answer::error(*status, "a fault was asked for")),
            Self::RateLimit { retry_after } => {
                let mut answer =
                    answer::error(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded");
                let seconds = HeaderValue::from(seconds_rounded_up(*retry_after));
                answer.headers_mut().insert(RETRY_AFTER, seconds);
                Some(answer)
            }
            Self::Trickle => Some(answer::json(StatusCode::OK, SandboxBody::trickle())),
            Self::Body(body) => Some(answer::json(StatusCode::OK, body.clone())),
            Self::Answer(answer) => Some(answer.clone().map(SandboxBody::from)),
        }
    }
}

/// The faults that a token endpoint was told to have: a queue, and one for all
/// exchanges after it.
#[derive(Debug, Default)]
pub(super) struct Faults {
    queue: VecDeque<(u32, Fault)>,
    lasting: Option<Fault>,
}

impl Faults {
    pub(super) fn queue(&mut self, n: u32, fault: Fault) {
        self.queue.push_back((n, fault));
    }

    pub(super) fn set_lasting(&mut self, fault: Fault) {
        self.lasting = Some(fault);
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// The fault of the next exchange, taken off the queue.
    pub(super) fn take_next(&mut self) -> Option<Fault> {
        while let Some((left, fault)) = self.queue.front_mut() {
            if let Some(less) = left.checked_sub(1) {
                *left = less;
                return Some(fault.clone());
            }
            self.queue.pop_front();
        }
        self.lasting.clone()
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

fn seconds_rounded_up(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}
