//! This crate's tokens, errors and flights, as the core wants them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::{Failure, InFlight, Now, Pause, Reason, Value};
use super::flight::Flight;
use crate::error::RetryAt;
use crate::{Error, Token};

impl Value for Token {
    fn is_same_value(&self, other: &Self) -> bool {
        Token::is_same_value(self, other)
    }

    fn lifetime(&self) -> Duration {
        Token::lifetime(self)
    }
}

impl Failure for Error {
    fn pause(&self) -> Option<Pause> {
        self.hold().map(|hold| match hold {
            RetryAt::AtLeast(at) => Pause::AtLeast(at),
            RetryAt::Exactly(at) => Pause::Exactly(at),
            RetryAt::RejectedRenewal(at) => Pause::RejectedRenewal(at),
        })
    }

    fn held_until(self, at: Instant) -> Self {
        self.with_retry_at(Some(at))
    }
}

impl InFlight for Arc<Flight> {
    type Token = Token;

    fn id(&self) -> u64 {
        self.claim.id
    }

    fn deadline(&self) -> Instant {
        self.claim.deadline
    }

    fn generation(&self) -> u32 {
        self.claim.generation
    }

    fn claimed_at(&self) -> Now {
        self.claim.claimed_at
    }

    fn reason(&self) -> Reason {
        self.claim.reason
    }

    fn rejected(&self) -> Option<&Token> {
        self.claim.rejected.as_ref()
    }
}
