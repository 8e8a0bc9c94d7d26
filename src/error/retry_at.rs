//! Until when an error holds the next fetch back.

use std::time::Instant;

/// An instant, and what the backoff has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAt {
    /// Until then, or for as long as the backoff asks, if that is more.
    AtLeast(Instant),
    /// Until then, whatever the backoff.
    Exactly(Instant),
}

impl RetryAt {
    pub(crate) fn instant(self) -> Instant {
        match self {
            Self::AtLeast(at) | Self::Exactly(at) => at,
        }
    }
}
