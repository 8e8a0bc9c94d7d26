//! How far apart exchanges are kept that fail, or whose tokens are rejected.

use std::time::{Duration, Instant};

use super::held::later;
use crate::Error;
use crate::error::RetryAt;

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
    /// or for the error's own `Retry-After` where that is later. An exact hold
    /// is taken as it is, and is no step. Returns the error with that instant on
    /// it.
    pub(super) fn fail(&mut self, now: Instant, error: Error) -> Error {
        let asked = match error.hold() {
            Some(RetryAt::Exactly(at)) => {
                let wait = at.saturating_duration_since(now).min(MAX_RETRY_AFTER);
                return self.hold_for(wait, now, error);
            }
            Some(RetryAt::AtLeast(at)) => at.saturating_duration_since(now),
            None => Duration::ZERO,
        };
        let wait = wait_after(self.failures, asked, self.rng.f64());
        self.failures = self.failures.saturating_add(1);
        self.hold_for(wait, now, error)
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

/// How long the next exchange waits after a failure that so many in a row came
/// before: a step, which `chance`, from 0 to 1, stretches, or `asked` for where
/// that is longer.
pub(crate) fn wait_after(failures: usize, asked: Duration, chance: f64) -> Duration {
    let step = STEPS.get(failures).or(STEPS.last());
    let wait = step.copied().unwrap_or(MIN_STEP);
    wait.mul_f64(1.0 + JITTER * chance)
        .max(asked.min(MAX_RETRY_AFTER))
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
    fn an_exact_hold_is_taken_as_it_is_and_is_no_step() {
        let now = Instant::now();
        let mut spacing = spacing(1);
        let second = Duration::from_secs(1);
        for wait in [second / 10, 17 * second, 299 * second] {
            let exact = error().with_exact_retry_after(wait);
            let held = spacing.fail(now, exact.clone());
            assert_eq!(held.retry_at(), exact.retry_at());
            spacing.release();
        }
        let hour = spacing.fail(now, error().with_exact_retry_after(3600 * second));
        assert_eq!(hour.retry_at().unwrap() - now, 300 * second);
        spacing.release();
        let first = spacing.fail(now, error()).retry_at().unwrap() - now;
        assert!(
            (second..=second.mul_f64(1.25)).contains(&first),
            "{first:?}"
        );
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
