//! What a cache tells of itself.

use std::time::Duration;

use super::clock::Now;
use super::life::Life;

/// What a [`TokenCache`](crate::TokenCache) tells of itself, for probes and
/// metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Numbers the tokens: 0 before the first, one more with every new one.
    pub generation: u64,
    /// The time until the next request starts a renewal, zero where it is due;
    /// `None` without a usable token.
    pub refresh_in: Option<Duration>,
    /// The time until the token is used no more; `None` without a usable one.
    pub expires_in: Option<Duration>,
    /// The exchanges started so far.
    pub fetches: u64,
    /// Those that failed.
    pub failures: u64,
    /// The tokens that the API rejected, or that were invalidated.
    pub rejections: u64,
    /// The requests that wait for an exchange now.
    pub waiting: usize,
}

impl Status {
    pub(super) fn new(life: &Life, waiting: usize, now: Now) -> Self {
        let counts = life.counts();
        let remaining = life.remaining(now);
        Self {
            generation: life.generation(),
            refresh_in: remaining.map(|(refresh, _)| refresh),
            expires_in: remaining.map(|(_, expiry)| expiry),
            fetches: counts.fetches,
            failures: counts.failures,
            rejections: counts.rejections,
            waiting,
        }
    }
}
