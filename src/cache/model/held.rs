//! The token in use, as the book has it.

use super::Ms;
use crate::ErrorKind;

/// The token in use.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) value: u32,
    pub(super) called: Ms,
    pub(super) delivered: Ms,
    pub(super) lifetime: Ms,
    pub(super) suspicion: Option<Suspicion>,
    /// How far the wall clock was ahead when the exchange was called.
    pub(super) wall: Ms,
    pub(super) claimed: Ms,
    pub(super) replaces_invalidated: bool,
    pub(super) was_rejected: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pub(super) number: u32,
    pub(super) since: Ms,
    /// The rejection asks for a renewal from then on.
    pub(super) due: Ms,
    pub(super) charge: Charge,
    /// What its renewal failed with.
    pub(super) failed: Option<ErrorKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    Within,
    Beyond,
    Paid,
}

impl Held {
    pub(super) fn is_alive_by_monotonic_clock(&self, now: Ms) -> bool {
        now - self.called < self.usable_for()
    }

    pub(super) fn usable_for(&self) -> Ms {
        self.lifetime - (self.lifetime / 10).min(10_000)
    }
}
