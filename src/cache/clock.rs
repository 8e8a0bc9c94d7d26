//! The two clocks by which a token is judged.

use std::time::{Duration, Instant, SystemTime};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Never set back, but on some systems it stands still during suspend.
    pub(super) mono: Instant,
    /// Goes on during suspend, but can be set.
    pub(super) wall: SystemTime,
}

impl Now {
    /// The time since `earlier`, by whichever clock says more.
    pub(super) fn since(self, earlier: Self) -> Duration {
        let mono = self.mono.saturating_duration_since(earlier.mono);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        mono.max(wall)
    }

    #[cfg(all(test, not(loom)))]
    #[allow(clippy::arithmetic_side_effects)]
    pub(super) fn after(self, span: Duration) -> Self {
        Self {
            mono: self.mono + span,
            wall: self.wall + span,
        }
    }
}

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

    /// Nanoseconds since this clock was made: an instant that fits an atomic.
    pub(super) fn ticks(&self) -> u64 {
        self.ticks_at(monotonic())
    }

    pub(super) fn ticks_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
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
