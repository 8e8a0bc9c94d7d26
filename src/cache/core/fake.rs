//! A token, an error and a flight for tests of the core: it needs no others.

use std::time::{Duration, Instant};

use super::backoff::Pause;
use super::now::Now;
use super::step::{Claim, Failure, Fault, InFlight, Reason, Value};
use crate::ErrorKind;

/// A token by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cache) struct FakeToken {
    pub(in crate::cache) number: u32,
    pub(in crate::cache) lifetime: Duration,
}

/// An error by its kind, and what it says of the next fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) struct FakeError {
    pub(in crate::cache) kind: ErrorKind,
    pub(in crate::cache) pause: Option<Pause>,
}

impl FakeError {
    pub(in crate::cache) fn new(kind: ErrorKind) -> Self {
        Self { kind, pause: None }
    }
}

impl Value for FakeToken {
    fn is_same_value(&self, other: &Self) -> bool {
        self.number == other.number
    }

    fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl From<Fault> for FakeError {
    fn from(fault: Fault) -> Self {
        Self::new(match fault {
            Fault::Overdue => ErrorKind::Timeout,
            Fault::LostAgain => ErrorKind::Runtime,
            _ => ErrorKind::InvalidToken,
        })
    }
}

impl Failure for FakeError {
    fn pause(&self) -> Option<Pause> {
        self.pause
    }

    fn held_until(self, at: Instant) -> Self {
        Self {
            pause: Some(Pause::AtLeast(at)),
            ..self
        }
    }
}

impl InFlight for Claim<FakeToken> {
    type Token = FakeToken;

    fn id(&self) -> u64 {
        self.id
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn generation(&self) -> u32 {
        self.generation
    }

    fn claimed_at(&self) -> Now {
        self.claimed_at
    }

    fn reason(&self) -> Reason {
        self.reason
    }

    fn rejected(&self) -> Option<&FakeToken> {
        self.rejected.as_ref()
    }
}
