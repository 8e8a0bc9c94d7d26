//! Now, by the clock that tests in paused time control; a day; whole seconds.

use std::time::{Duration, Instant};

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// As long as a token can live, and longer than anybody means a client to wait.
/// This much can be added to any `Instant` of now.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whole seconds, rounded up: whoever is told 0 comes back too early.
pub(crate) fn seconds(duration: Duration) -> u64 {
    let rest = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(rest)
}
