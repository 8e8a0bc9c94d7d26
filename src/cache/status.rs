//! What a cache tells of itself.

use std::time::Duration;

use super::core::Snapshot;
use crate::Error;

/// What a [`TokenCache`](crate::TokenCache) tells of itself, for probes and
/// metrics.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Numbers the tokens: 0 before the first, one more with every new one.
    pub generation: u64,
    /// How long the usable token lives in all; `None` without one.
    pub lifetime: Option<Duration>,
    /// The time until a request may start the renewal, backoff included, which may be
    /// past the token's end; zero where the next one does, `None` without a usable
    /// token.
    pub refresh_in: Option<Duration>,
    /// The time until the token is used no more; `None` without a usable one.
    pub expires_in: Option<Duration>,
    /// Whether the API rejected the usable token, and has let in no request that was
    /// sent since.
    pub suspect: bool,
    /// What the latest fetch failed with; `None` once one succeeds, and before
    /// the first.
    pub last_error: Option<Error>,
    /// The fetches started so far.
    pub fetches: u64,
    /// The exchanges that this process made for them, each counted at its end, or when
    /// it is given up. A fetch that `SharedTokens` answers with what another process brought, be it a
    /// token or a failure, makes none; one whose pair is refused may make two.
    pub exchanges: u64,
    /// The fetches that failed.
    pub failures: u64,
    /// The tokens that the API rejected, or that were invalidated, each counted
    /// once.
    pub rejections: u64,
    /// The requests that wait for a fetch now.
    pub waiting: usize,
}

impl Status {
    pub(super) fn new(snapshot: Snapshot<Error>, exchanges: u64, waiting: usize) -> Self {
        Self {
            generation: snapshot.generation.into(),
            lifetime: snapshot.lifetime,
            refresh_in: snapshot.refresh_in,
            expires_in: snapshot.expires_in,
            suspect: snapshot.suspect.is_some(),
            last_error: snapshot.last_error,
            fetches: snapshot.fetches,
            exchanges,
            failures: snapshot.failures,
            rejections: snapshot.rejections,
            waiting,
        }
    }
}
