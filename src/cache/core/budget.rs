//! The budget for renewals that rejections ask for.

use std::time::{Duration, Instant};

use super::backoff::step;
use super::now::later;

/// Three renewals at once, and one more for every five minutes since. Beyond it
/// a token must stay suspect for a while before it is renewed, for longer each
/// time that this did not help.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// When all of it is there again.
    full_at: Option<Instant>,
    /// The renewals beyond the budget, since there was one within it.
    beyond: usize,
}

impl Budget {
    /// Whether a renewal may start at once.
    pub(super) fn allows(&self, now: Instant) -> bool {
        let lacking = self.full_at.map(|at| at.saturating_duration_since(now));
        lacking.is_none_or(|lacking| lacking <= PERIOD.saturating_mul(AT_ONCE.saturating_sub(1)))
    }

    /// How long a token must stay suspect where the budget allows nothing.
    pub(super) fn delay(&self) -> Duration {
        step(self.beyond)
    }

    /// A renewal starts within the budget.
    pub(super) fn spend(&mut self, now: Instant) {
        let from = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = Some(later(from, PERIOD));
        self.beyond = 0;
    }

    /// A renewal starts beyond the budget.
    pub(super) fn overspend(&mut self) {
        self.beyond = self.beyond.saturating_add(1);
    }
}

/// A token that dies is replaced at once, the second and the third time as well.
const AT_ONCE: u32 = 3;

/// So long that a route which answers 401 for reasons of its own has three renewals in
/// the 15 minutes that a token lives, and no more within the budget.
const PERIOD: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    //! Mutations caught: two or four at once; a period that is shorter or
    //! longer; more than three after a long rest; a delay that does not grow, or
    //! does not start over.

    use super::*;

    #[test]
    fn three_start_at_once_and_one_more_for_every_five_minutes_since() {
        let start = Instant::now();
        let mut budget = Budget::default();
        for _ in 0..3 {
            assert!(budget.allows(start));
            budget.spend(start);
        }
        for n in 1..4 {
            let back = start + n * PERIOD;
            assert!(!budget.allows(back - Duration::from_millis(1)));
            assert!(budget.allows(back));
            budget.spend(back);
        }
    }

    #[test]
    fn a_long_rest_brings_back_three_and_no_more() {
        let mut budget = Budget::default();
        budget.spend(Instant::now());
        let later = Instant::now() + 100 * PERIOD;
        for _ in 0..3 {
            assert!(budget.allows(later));
            budget.spend(later);
        }
        assert!(!budget.allows(later));
    }

    #[test]
    fn beyond_the_budget_the_delay_grows_until_one_is_within_it_again() {
        let mut budget = Budget::default();
        for delay in [1, 2, 4, 8, 16, 24, 24] {
            assert_eq!(budget.delay(), Duration::from_secs(delay));
            budget.overspend();
        }
        budget.spend(Instant::now());
        assert_eq!(budget.delay(), Duration::from_secs(1));
    }
}
