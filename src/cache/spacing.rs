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
    /// What was held before: not dropped here, where a lock may be held, as the
    /// sources of errors are foreign code.
    displaced: Vec<Error>,
    rng: fastrand::Rng,
}

impl Spacing {
    pub(super) fn new(rng: fastrand::Rng) -> Self {
        Self {
            failures: 0,
            hold: None,
            displaced: Vec::new(),
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
        self.replace(None);
    }

    /// Forgets the failures so far.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
        self.replace(None);
    }

    /// The errors that are done with.
    pub(super) fn take_displaced(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.displaced)
    }

    fn hold_for(&mut self, wait: Duration, now: Instant, error: Error) -> Error {
        let until = match &self.hold {
            Some(hold) => hold.until.max(later(now, wait)),
            None => later(now, wait),
        };
        let error = error.with_retry_at(Some(until));
        self.replace(Some(Hold {
            until,
            error: error.clone(),
        }));
        error
    }

    fn replace(&mut self, hold: Option<Hold>) {
        let displaced = std::mem::replace(&mut self.hold, hold);
        self.displaced.extend(displaced.map(|hold| hold.error));
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn error() -> Error {
        Error::new(ErrorKind::Unavailable, "down")
    }

    fn spacing(seed: u64) -> Spacing {
        Spacing::new(fastrand::Rng::with_seed(seed))
    }

    #[test]
    fn each_step_is_stretched_by_up_to_a_quarter_and_never_the_same() {
        let now = Instant::now();
        let mut waits = vec![Vec::new(); 8];
        for seed in 0..100 {
            let mut spacing = spacing(seed);
            for waits in &mut waits {
                spacing.release();
                let until = spacing.fail(now, error()).retry_at().unwrap();
                waits.push((until - now).as_secs_f64());
            }
        }
        for (step, waits) in [1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 24.0, 24.0]
            .iter()
            .zip(waits)
        {
            let (least, most) = (1.0, 1.25);
            assert!(
                waits
                    .iter()
                    .all(|wait| (step * least..=step * most).contains(wait))
            );
            let spread = waits.iter().map(|wait| wait / step);
            assert!(spread.clone().any(|part| part < 1.05), "{step}");
            assert!(spread.clone().any(|part| part > 1.2), "{step}");
        }
    }

    #[test]
    fn a_later_failure_does_not_shorten_what_is_held_already() {
        let now = Instant::now();
        let mut spacing = spacing(1);
        let asked = error().with_retry_at(Some(now + Duration::from_secs(200)));
        spacing.fail(now, asked);
        spacing.fail(now, error());
        spacing.pause(now, error());
        assert!(spacing.hold(now + Duration::from_secs(199)).is_some());
        assert!(spacing.hold(now + Duration::from_secs(200)).is_none());
    }
}
