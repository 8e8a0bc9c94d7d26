//! The backoff of an endpoint that fails: how long every fetch is held back.

use std::time::{Duration, Instant};

use super::now::later;

/// Counts the failures in a row, and spaces the next fetch accordingly.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: usize,
    until: Option<Instant>,
}

/// When the next fetch may start, as the failure itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Pause {
    /// Not before this, nor before the backoff's own step has passed.
    AtLeast(Instant),
    /// At this, in the place of a step: the next failure does not take a longer
    /// one because of it.
    Exactly(Instant),
    /// At once, but for a renewal that a rejection asks for: that at this.
    RejectedRenewal(Instant),
}

impl Backoff {
    /// Until when every fetch is held back, if at all.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// Notes a failure at `now`, and returns until when it holds fetches back.
    /// `chance`, from 0 to 1, draws the jitter.
    pub(super) fn fail(&mut self, now: Instant, pause: Option<Pause>, chance: f64) -> Instant {
        let asked = |at: Instant| at.saturating_duration_since(now);
        let wait = match pause {
            Some(Pause::Exactly(at)) => asked(at).min(LONGEST_ASKED),
            Some(Pause::AtLeast(at)) => self.next_wait(asked(at), chance),
            None => self.next_wait(Duration::ZERO, chance),
            Some(Pause::RejectedRenewal(_)) => Duration::ZERO,
        };
        let until = later(now, wait);
        self.until = Some(until);
        until
    }

    fn next_wait(&mut self, asked: Duration, chance: f64) -> Duration {
        let wait = wait_after(self.failures, asked, chance);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Ends it, and starts it over.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// How long the next fetch waits after a failure with `failures` others right before
/// it: a step, or as long as is asked for where that is longer. `chance`, from 0 to 1,
/// stretches both.
pub(crate) fn wait_after(failures: usize, asked: Duration, chance: f64) -> Duration {
    let asked = asked
        .min(LONGEST_ASKED)
        .mul_f64(1.0 + ASKED_JITTER * chance);
    let step = step(failures).mul_f64(1.0 + STEP_JITTER * chance);
    step.max(asked)
}

/// The `n`th step, counted from 0. The last one repeats.
pub(super) fn step(n: usize) -> Duration {
    let [.., last] = STEPS;
    STEPS.get(n).copied().unwrap_or(last)
}

/// From the end of the failure. With the last one recovery takes no longer than
/// half a minute, and a dead endpoint sees two or three fetches a minute.
const STEPS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(24),
];

/// Each step is stretched by up to a quarter: never past 30 s.
const STEP_JITTER: f64 = 0.25;

/// A `Retry-After` is stretched by up to a tenth, or all processes that were
/// told the same would return at the same instant.
const ASKED_JITTER: f64 = 0.1;

/// Longer ones are cut to this: nobody should be unable to recover for longer.
const LONGEST_ASKED: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    //! Mutations caught: a step that is not stretched, or shortened; one that
    //! does not grow, or past the last; a `Retry-After` that shortens a step, is
    //! not cut, or is not stretched; an exact one that is stretched.

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_steps_grow_and_are_stretched_by_a_quarter_at_most() {
        let now = Instant::now();
        for (chance, factor) in [(0.0, 1.0), (0.4, 1.1), (1.0, 1.25)] {
            let mut backoff = Backoff::default();
            for step in [1, 2, 4, 8, 16, 24, 24, 24] {
                let until = backoff.fail(now, None, chance);
                assert_eq!(until - now, (step * SECOND).mul_f64(factor));
                assert_eq!(backoff.until(until - SECOND / 1000), Some(until));
                assert_eq!(backoff.until(until), None);
            }
        }
    }

    #[test]
    fn a_success_starts_it_over() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.fail(now, None, 0.0);
        backoff.fail(now, None, 0.0);
        backoff.reset();
        assert_eq!(backoff.until(now), None);
        assert_eq!(backoff.fail(now, None, 0.0) - now, SECOND);
    }

    #[test]
    fn a_longer_wait_that_is_asked_for_is_kept_and_stretched_by_a_tenth_at_most() {
        let now = Instant::now();
        for (asked, least, most) in [(60, 60, 66), (300, 300, 330), (90_000, 300, 330)] {
            let pause = Some(Pause::AtLeast(now + asked * SECOND));
            let wait = |chance| Backoff::default().fail(now, pause, chance) - now;
            assert_eq!(wait(0.0), least * SECOND);
            assert_eq!(wait(1.0), most * SECOND);
        }
    }

    #[test]
    fn a_shorter_wait_that_is_asked_for_does_not_shorten_the_step() {
        let now = Instant::now();
        let pause = Some(Pause::AtLeast(now + SECOND / 10));
        assert_eq!(Backoff::default().fail(now, pause, 0.0) - now, SECOND);
    }

    #[test]
    fn an_exact_wait_takes_the_place_of_the_step() {
        let now = Instant::now();
        for (asked, wait) in [(SECOND / 10, SECOND / 10), (9000 * SECOND, 300 * SECOND)] {
            let pause = Some(Pause::Exactly(now + asked));
            let mut backoff = Backoff::default();
            assert_eq!(backoff.fail(now, pause, 1.0) - now, wait);
            assert_eq!(backoff.fail(now, None, 0.0) - now, SECOND);
        }
    }
}
