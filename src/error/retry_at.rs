//! Until when an error holds the next fetch back.

#[cfg(feature = "redis")]
use std::time::Duration;
use std::time::Instant;

use super::Error;
#[cfg(feature = "redis")]
use crate::time::{DAY, now};

/// An instant, and what the backoff has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAt {
    /// Until then, or for as long as the backoff asks, if that is more.
    AtLeast(Instant),
    /// Until then, whatever the backoff.
    Exactly(Instant),
    /// Until then, but only a renewal that a rejection asks for: the endpoint has
    /// not failed, and a token that is missing is fetched.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "for a budget that a fleet shares")
    )]
    RejectedRenewal(Instant),
}

impl RetryAt {
    fn instant(self) -> Instant {
        match self {
            Self::AtLeast(at) | Self::Exactly(at) | Self::RejectedRenewal(at) => at,
        }
    }
}

impl Error {
    /// Holds the next renewal back that a rejection asks for, and no other fetch.
    #[cfg(feature = "redis")]
    pub(crate) fn with_rejected_renewal_after(mut self, wait: Duration) -> Self {
        let at = now().checked_add(wait.min(DAY));
        self.hold = at.map(RetryAt::RejectedRenewal);
        self
    }

    pub(crate) fn with_retry_at(mut self, at: Option<Instant>) -> Self {
        self.hold = at.map(RetryAt::AtLeast);
        self
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.hold.map(RetryAt::instant)
    }

    pub(crate) fn hold(&self) -> Option<RetryAt> {
        self.hold
    }
}
