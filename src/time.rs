//! Now, by the clock that tests in paused time control, and a day.

use std::time::{Duration, Instant};

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// As long as a token can live, and longer than anybody means a client to wait.
/// This much can be added to any `Instant` of now.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
