//! What is asked of a token's life, and what it answers.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::backoff::Pause;
use super::now::Now;

/// A token, as far as its life is concerned.
pub(in crate::cache) trait Value: Clone {
    fn is_same_value(&self, other: &Self) -> bool;

    /// From the start of the exchange that brought it.
    fn lifetime(&self) -> Duration;
}

/// An error, as far as a token's life is concerned.
pub(in crate::cache) trait Failure: Clone + From<Fault> {
    /// When the next fetch may start, where the error says so.
    fn pause(&self) -> Option<Pause>;

    /// The same error, which says that the next fetch may start at `at`.
    fn held_until(self, at: Instant) -> Self;
}

/// A flight: a fetch under way, as those who wait for it see it.
pub(in crate::cache) trait InFlight: Clone {
    type Token;

    fn id(&self) -> u64;

    /// When it counts as failed.
    fn deadline(&self) -> Instant;

    /// The number of the token that it brings.
    fn generation(&self) -> u32;

    fn claimed_at(&self) -> Now;

    fn reason(&self) -> Reason;

    /// The token that it knows must not be handed out again.
    fn rejected(&self) -> Option<&Self::Token>;
}

/// Who asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Ask {
    /// A request, which wants to be sent.
    Request,
    /// A probe, which wants to know whether requests are going to be let in.
    Probe,
    /// Somebody who wants another token than the one in use.
    Refresh,
}

/// What it does next.
#[derive(Clone, Debug)]
pub(in crate::cache) enum Step<T, E, F> {
    /// Send the token in use.
    Send(Usable<T>),
    /// Wait for this flight, but not past that instant; then ask again.
    Join { flight: F, until: Instant },
    /// Claim a fetch, then ask again.
    Claim,
    /// Ask again at that instant: by then it may be known whether the token is good.
    Wait { until: Instant },
    /// Fail at once.
    Fail(E),
}

/// The token in use, as a request carries it.
#[derive(Clone, Debug)]
pub(crate) struct Usable<T> {
    pub(crate) token: T,
    pub(crate) generation: u32,
    pub(crate) suspect: Option<Suspect>,
    pub(crate) renewal: Renewal,
}

/// Whether a renewal is to be claimed beside the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    NotDue,
    Due,
}

/// A token in use that was rejected, and has not been cleared since: which
/// suspicion it is, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect(NonZeroU32);

impl Suspect {
    pub(super) fn new(number: NonZeroU32) -> Self {
        Self(number)
    }
}

/// The right to make a fetch, and what it needs to know.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Claim<T> {
    pub(in crate::cache) id: u64,
    /// The number of the token that it brings, if that is another one.
    pub(in crate::cache) generation: u32,
    pub(in crate::cache) claimed_at: Now,
    pub(in crate::cache) deadline: Instant,
    pub(in crate::cache) reason: Reason,
    /// The token that was rejected or invalidated, if that is why.
    pub(in crate::cache) rejected: Option<T>,
    /// The token in use.
    pub(in crate::cache) held: Option<T>,
}

/// Why there is a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Reason {
    /// There was no token yet.
    First,
    /// The token in use is past its refresh point.
    Refresh,
    /// The token had expired.
    Expired,
    /// The API rejected the token in use.
    Rejected,
    /// The user invalidated the token.
    Invalidated,
    /// The user asked for another token.
    Forced,
}

/// How a fetch ended, as those who made it say.
#[derive(Clone, Debug)]
pub(in crate::cache) enum Ending<T, E> {
    /// With a token, of an exchange that was started then.
    Token(T, Now),
    Failed(E),
    /// Not at all: the runtime that ran it is gone.
    Lost,
}

/// How a fetch ended, as all who waited for it share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Outcome<E> {
    /// With a token, which is in use.
    Token,
    Failed(E),
    Lost,
}

/// A fetch that ended, and the error that is done with because of it.
#[derive(Debug)]
pub(in crate::cache) struct Completed<E> {
    pub(in crate::cache) outcome: Outcome<E>,
    pub(in crate::cache) displaced: Option<E>,
}

/// What a token's life makes an error of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cache) enum Fault {
    /// A fetch was not done at its deadline.
    Overdue,
    /// The token had expired on arrival.
    ExpiredOnArrival,
    /// The token that came had been invalidated.
    InvalidatedAgain,
    /// The token that came was the one that had been rejected.
    RejectedAgain,
    /// Tokens live for less than a second.
    ShortLived,
    /// Tokens are invalidated within a second.
    InvalidatedSoon,
    /// One fetch after the other was lost with its runtime.
    LostAgain,
}

/// What a rejection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Rejection {
    /// Nothing: the token had been replaced or had expired already.
    Stale,
    /// Nothing more: the token was suspect already.
    Known,
    /// The token is suspect: for the first time, or after it had been cleared.
    First,
    Again,
}

/// What a success came to, to a request that was sent with a suspect token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Evidence {
    /// Nothing: that suspicion is over.
    Stale,
    /// It cleared the token: for the first time, or once more.
    First,
    Again,
}

/// Which token a request would carry if it were sent again, now that it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Another one, at once or after a wait for it: it is worth sending again.
    Another,
    /// The same: it would be answered as before.
    Same,
}

/// What a life tells of itself.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Snapshot<E> {
    /// The number of the value last received; 0 before the first.
    pub(in crate::cache) generation: u32,
    /// Of the usable token: its lifetime, and the time until its renewal is due
    /// and until it is done with.
    pub(in crate::cache) lifetime: Option<Duration>,
    pub(in crate::cache) refresh_in: Option<Duration>,
    pub(in crate::cache) expires_in: Option<Duration>,
    pub(in crate::cache) suspect: Option<Suspect>,
    /// What the latest fetch failed with, until one succeeds.
    pub(in crate::cache) last_error: Option<E>,
    pub(in crate::cache) fetches: u64,
    pub(in crate::cache) failures: u64,
    pub(in crate::cache) rejections: u64,
}
