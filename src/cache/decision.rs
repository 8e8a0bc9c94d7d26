//! What the token's life tells those around it.

use std::time::Instant;

use crate::{Error, Token};

/// An exchange under way.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) id: u64,
    pub(super) deadline: Instant,
    /// What [`TokenRequest::rejected`](crate::TokenRequest::rejected) is to say.
    pub(super) rejected: Option<Token>,
    /// What [`TokenRequest::held`](crate::TokenRequest::held) is to say.
    pub(super) held: Option<Token>,
}

/// What a request does.
#[derive(Debug)]
pub(super) enum Decision {
    /// Send the held token. Barring events, that holds until `until`; where
    /// `renewal_due`, an exchange may be claimed beside it.
    Send { until: Instant, renewal_due: bool },
    /// Wait for the exchange under way, or claim one if there is none.
    Wait,
    /// Fail at once: exchanges are held back.
    Fail(Error),
}

/// What a rejection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Nothing: the token had been replaced or had expired already.
    Stale,
    /// A renewal, at once.
    Renews,
    /// A renewal later on: until then the same token goes out again.
    Spaced,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) fetches: u64,
    pub(super) failures: u64,
    pub(super) rejections: u64,
}
