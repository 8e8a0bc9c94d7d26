//! The fetch under way, as the book has it.

use super::Ms;

/// A fetch, from its claim on.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) claimed: Ms,
    /// What the token service is to be told.
    pub(super) rejected: Option<u32>,
    pub(super) held: Option<u32>,
    pub(super) stage: Stage,
    pub(super) replaces_invalidated: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// The token service has not been called yet.
    Claimed,
    Called(Exchange),
    /// The token that came had expired because a clock jumped: it is asked for
    /// once more.
    Outrun,
    CalledAgain(Exchange),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) number: u32,
    pub(super) called: Ms,
    pub(super) wall: Ms,
}

/// Why there is a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The token is missing, suspect or old.
    Needed,
    /// Somebody wants another one.
    Forced,
}

impl Flight {
    pub(super) fn exchange(&self) -> Option<Exchange> {
        match self.stage {
            Stage::Called(exchange) | Stage::CalledAgain(exchange) => Some(exchange),
            Stage::Claimed | Stage::Outrun => None,
        }
    }
}
