//! The token in use, as the book has it.

use std::time::{Duration, Instant};

use super::super::fake::FakeToken;
use super::super::now::Now;
use super::super::step::{Reason, Suspect};

/// The token that came last, unless it was invalidated.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) token: FakeToken,
    pub(super) called_at: Now,
    pub(super) suspicion: Option<Suspicion>,
    pub(super) claimed_at: Instant,
    pub(super) reason: Reason,
    pub(super) was_rejected: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pub(super) which: Suspected,
    pub(super) since: Instant,
    /// Rejections ask for its renewal from then on.
    pub(super) due: Instant,
    pub(super) charge: Charge,
    pub(super) has_failed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Suspected {
    pub(super) generation: u32,
    pub(super) suspect: Suspect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    Within,
    Beyond,
    Paid,
}

impl Held {
    /// By whichever clock says more.
    pub(super) fn age(&self, now: Now) -> Duration {
        let by_wall = now.wall.duration_since(self.called_at.wall);
        let by_wall = by_wall.unwrap_or_default();
        by_wall.max(now.mono.saturating_duration_since(self.called_at.mono))
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        let lifetime = self.token.lifetime;
        self.age(now) < lifetime - (lifetime / 10).min(Duration::from_secs(10))
    }
}
