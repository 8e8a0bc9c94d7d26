//! An instant by both of the clocks by which a token is judged.

use std::time::{Duration, Instant, SystemTime};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Now {
    /// Never set back, but on some systems it stands still during suspend.
    pub(in crate::cache) mono: Instant,
    /// Goes on during suspend, but can be set.
    pub(in crate::cache) wall: SystemTime,
}

impl Now {
    /// The time since `earlier`, by whichever clock says more.
    pub(in crate::cache) fn since(self, earlier: Self) -> Duration {
        let mono = self.mono.saturating_duration_since(earlier.mono);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        mono.max(wall)
    }

    #[cfg(all(test, in_repository, not(loom)))]
    #[allow(clippy::arithmetic_side_effects)]
    pub(in crate::cache) fn after(self, span: Duration) -> Self {
        Self {
            mono: self.mono + span,
            wall: self.wall + span,
        }
    }
}

/// `at` plus `span`; `at` itself if the sum overflows.
pub(in crate::cache) fn later(at: Instant, span: Duration) -> Instant {
    at.checked_add(span).unwrap_or(at)
}
