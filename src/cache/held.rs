//! The token in use: its ages, and when it is due and done.

use std::time::{Duration, Instant};

use super::clock::Now;
use crate::Token;

/// The token in use. All its ages count from the start of its exchange.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) standing: Standing,
    /// The token before this one had been rejected.
    pub(super) after_rejection: bool,
    started: Now,
    refresh_after: Duration,
    usable_for: Duration,
}

/// What the API thinks of the token in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// Rejected: requests wait for its renewal, which may start at once.
    RejectedWaiting,
    /// Rejected, but its renewal failed or is not permitted yet: it stays in
    /// use while it lives.
    RejectedInUse,
}

impl Held {
    /// `chance`, from 0 to 1, draws the refresh point: once for each token,
    /// since drawing it for each request would renew at the earliest.
    pub(super) fn new(token: Token, started: Now, chance: f64) -> Self {
        let lifetime = token.lifetime();
        Self {
            standing: Standing::Good,
            after_rejection: false,
            started,
            refresh_after: lifetime.mul_f64(REFRESH_FROM + REFRESH_SPAN * chance),
            usable_for: usable_for(lifetime),
            token,
        }
    }

    pub(super) fn age(&self, now: Now) -> Duration {
        now.since(self.started)
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        self.age(now) < self.usable_for
    }

    pub(super) fn is_renewal_due(&self, now: Now) -> bool {
        self.standing != Standing::Good || self.age(now) >= self.refresh_after
    }

    /// Until when sending it needs no further thought, by the monotonic clock,
    /// if nothing happens and no renewal may start before `renewal`.
    pub(super) fn quiet_until(&self, now: Now, renewal: Option<Instant>) -> Instant {
        let due = match self.standing {
            Standing::Good => later(self.started.mono, self.refresh_after),
            _ => now.mono,
        };
        renewal
            .map_or(due, |renewal| renewal.max(due))
            .min(later(self.started.mono, self.usable_for))
            .min(later(now.mono, WALL_CLOCK_CHECK))
    }

    /// The time until its renewal is due, and until it is no longer used.
    pub(super) fn remaining(&self, now: Now) -> (Duration, Duration) {
        let age = self.age(now);
        let refresh = match self.standing {
            Standing::Good => self.refresh_after.saturating_sub(age),
            _ => Duration::ZERO,
        };
        (refresh, self.usable_for.saturating_sub(age))
    }
}

/// How long a token is used that lives for `lifetime`.
pub(crate) fn usable_for(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MAX_MARGIN.min(lifetime.mul_f64(MARGIN)))
}

/// The lifetime of a token that is to be used for `usable`.
#[cfg(feature = "redis")]
pub(crate) fn lifetime_for(usable: Duration) -> Duration {
    let margin = usable.mul_f64(MARGIN / (1.0 - MARGIN));
    usable.saturating_add(margin.min(MAX_MARGIN))
}

/// `at` plus `span`; only at the end of time is that `at`.
pub(super) fn later(at: Instant, span: Duration) -> Instant {
    at.checked_add(span).unwrap_or(at)
}

/// The refresh point, as parts of the lifetime: late enough to use a token
/// well, early enough to sit out an outage of minutes, and drawn from a span,
/// so that processes that started together drift apart.
const REFRESH_FROM: f64 = 0.6;
const REFRESH_SPAN: f64 = 0.2;

/// A token is given up before it expires, so that it is alive when the request
/// arrives: by this part of its lifetime, but never by more than that.
const MARGIN: f64 = 0.1;
const MAX_MARGIN: Duration = Duration::from_secs(10);

/// The wall clock is looked at this often at least.
const WALL_CLOCK_CHECK: Duration = Duration::from_secs(1);
