//! The wall clock as it was set, and what it says of a token.

use super::Ms;
use super::held::Held;

#[derive(Debug)]
pub(super) struct Wall {
    /// When it was set, and how far ahead it has been since.
    settings: Vec<(Ms, Ms)>,
}

impl Wall {
    pub(super) fn new() -> Self {
        Self {
            settings: vec![(0, 0)],
        }
    }

    pub(super) fn set(&mut self, now: Ms, by: Ms) {
        self.settings.push((now, self.ahead() + by));
    }

    pub(super) fn ahead(&self) -> Ms {
        self.settings.last().unwrap().1
    }

    /// By whichever clock says more.
    pub(super) fn age(&self, held: &Held, now: Ms) -> Ms {
        now - held.called + (self.ahead() - held.wall).max(0)
    }

    pub(super) fn is_alive(&self, held: &Held, now: Ms) -> bool {
        self.age(held, now) < held.usable_for()
    }

    /// Alive by the monotonic clock, and by some look at the wall clock within
    /// the last second.
    pub(super) fn may_look_alive(&self, held: &Held, now: Ms) -> bool {
        let later_settings = self.settings.iter().skip(1).map(|(at, _)| *at);
        let until = later_settings.chain([Ms::MAX]);
        self.settings
            .iter()
            .zip(until)
            .any(|(&(from, ahead), until)| {
                let looked = from.max(now - 999);
                let age = looked - held.called + (ahead - held.wall).max(0);
                looked <= until && age < held.usable_for()
            })
            && held.is_alive_by_monotonic_clock(now)
    }
}
