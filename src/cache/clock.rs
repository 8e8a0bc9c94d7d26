//! The two clocks by which a token is judged.

#[cfg(test)]
use std::time::Duration;
use std::time::{Instant, SystemTime};

use super::coarse;
use super::core::Now;

/// Where [`Now`] comes from: tokio's clock, which tests can pause, and the
/// system's wall clock.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    epoch: Instant,
    #[cfg(test)]
    wall_epoch: SystemTime,
    #[cfg(test)]
    pub(super) wall_shift: std::sync::Arc<std::sync::Mutex<WallShift>>,
}

/// How a test has set the wall clock.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct WallShift {
    pub(super) forward: Duration,
    pub(super) back: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            epoch: monotonic(),
            #[cfg(test)]
            wall_epoch: SystemTime::now(),
            #[cfg(test)]
            wall_shift: std::sync::Arc::default(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            mono: monotonic(),
            wall: self.wall(),
        }
    }

    /// `until` as ticks: an instant that fits an atomic and is cheap to compare
    /// with the present. They are even by the coarse clock and odd by tokio's; 0
    /// has always passed.
    pub(super) fn ticks(&self, until: Instant) -> u64 {
        match coarse_ticks(until) {
            Some(ticks) => ticks & !1,
            None => self.exact_ticks(until).saturating_sub(1) | 1,
        }
    }

    /// Whether these ticks have not passed yet.
    #[inline]
    pub(super) fn is_before(&self, ticks: u64) -> bool {
        let now = if ticks & 1 == 0 {
            coarse::now().unwrap_or(u64::MAX)
        } else {
            self.exact_ticks(monotonic())
        };
        now < ticks
    }

    fn exact_ticks(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        // At least 2: made odd by going down by one, it must not become 0.
        u64::try_from(since.as_nanos())
            .unwrap_or(u64::MAX)
            .saturating_add(2)
    }

    #[cfg(not(test))]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(test)]
    #[allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]
    fn wall(&self) -> SystemTime {
        let shift = self.wall_shift.lock().unwrap();
        // It goes on with the clock that tests can pause.
        self.wall_epoch + (monotonic() - self.epoch) + shift.forward - shift.back
    }
}

fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// `until` by the coarse clock; `None` where that does not tell, since a test
/// has paused or moved tokio's clock.
fn coarse_ticks(until: Instant) -> Option<u64> {
    // In this order: by the time `after` is read, the coarse reading is older.
    let coarse = coarse::now()?;
    let (before, real, after) = (monotonic(), Instant::now(), monotonic());
    if real < before || after < real {
        return None;
    }
    let left = until.saturating_duration_since(after);
    Some(coarse.saturating_add(coarse::ticks(left.saturating_sub(coarse::LAG))))
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    //! Mutations caught: no allowance for the coarse clock's lag;
    //! coarse ticks under a paused clock, or after one that was paused; odd ticks
    //! that are rounded up; 0 that is ahead.

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ticks_are_ahead_until_shortly_before_their_instant() {
        let clock = Clock::new();
        let hour = clock.ticks(monotonic() + 3600 * SECOND);
        assert!(clock.is_before(hour));
        let near = clock.ticks(monotonic() + coarse::LAG - SECOND / 1000);
        assert!(!clock.is_before(near));
        assert!(!clock.is_before(clock.ticks(monotonic())));
        assert!(!clock.is_before(0));
        assert_eq!(hour % 2 == 0, coarse::now().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_is_exact() {
        let clock = Clock::new();
        assert!(!clock.is_before(clock.ticks(monotonic())));
        for span in [SECOND, SECOND + Duration::from_nanos(1)] {
            let ticks = clock.ticks(monotonic() + span);
            tokio::time::advance(span - Duration::from_millis(1)).await;
            assert!(clock.is_before(ticks));
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(!clock.is_before(ticks));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_moved_is_followed() {
        let clock = Clock::new();
        tokio::time::advance(SECOND).await;
        tokio::time::resume();
        let ticks = clock.ticks(monotonic() + 3600 * SECOND);
        assert!(clock.is_before(ticks));
        tokio::time::pause();
        tokio::time::advance(3600 * SECOND).await;
        assert!(!clock.is_before(ticks));
    }
}
