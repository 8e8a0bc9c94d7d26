//! How far apart exchanges are kept that fail, or whose tokens are rejected.

use std::time::{Duration, Instant};

use super::held::later;
use crate::Error;

/// Exchanges are held back until an instant, for a reason.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) until: Instant,
    pub(super) error: Error,
}

/// Counts failures in a row and spaces the next exchange accordingly.
#[derive(Debug)]
pub(super) struct Spacing {
    failures: usize,
    hold: Option<Hold>,
    rng: fastrand::Rng,
}

impl Spacing {
    pub(super) fn new(rng: fastrand::Rng) -> Self {
        Self {
            failures: 0,
            hold: None,
            rng,
        }
    }

    /// What holds back an exchange at `now`.
    pub(super) fn hold(&self, now: Instant) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| now < hold.until)
    }

    /// Notes a failure at `now`: the next exchange waits for a jittered step,
    /// or for the error's own `Retry-After` where that is later. Returns the
    /// error with that instant on it.
    pub(super) fn fail(&mut self, now: Instant, error: Error) -> Error {
        let step = STEPS.get(self.failures).or(STEPS.last());
        self.failures = self.failures.saturating_add(1);
        let jitter = 1.0 + JITTER * self.rng.f64();
        let wait = step.copied().unwrap_or(MIN_STEP).mul_f64(jitter);
        let asked = error
            .retry_at()
            .map(|at| at.saturating_duration_since(now).min(MAX_RETRY_AFTER));
        self.hold_for(wait.max(asked.unwrap_or_default()), now, error)
    }

    /// Holds exchanges back for the shortest step, without counting a failure.
    pub(super) fn pause(&mut self, now: Instant, error: Error) -> Error {
        self.hold_for(MIN_STEP, now, error)
    }

    /// Permits an exchange again, but remembers the failures so far.
    pub(super) fn release(&mut self) {
        self.hold = None;
    }

    /// Forgets the failures so far.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
        self.hold = None;
    }

    fn hold_for(&mut self, wait: Duration, now: Instant, error: Error) -> Error {
        let until = match &self.hold {
            Some(hold) => hold.until.max(later(now, wait)),
            None => later(now, wait),
        };
        let error = error.with_retry_at(Some(until));
        self.hold = Some(Hold {
            until,
            error: error.clone(),
        });
        error
    }
}

const MIN_STEP: Duration = Duration::from_secs(1);

/// From the end of the failure. The last one repeats: recovery takes no longer
/// than that, and a dead endpoint sees two or three attempts a minute.
const STEPS: [Duration; 6] = [
    MIN_STEP,
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(24),
];

/// Each step is stretched by up to a quarter, never past 30 s.
const JITTER: f64 = 0.25;

/// A server that asks for more gets another attempt all the same.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);
