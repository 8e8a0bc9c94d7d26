//! The life of a token: what a request, a probe or a refresh does next, and what
//! follows from what happened.
//!
//! Pure: no runtime, no lock, no I/O, no randomness, and no type of this crate's
//! around it. It is generic over the token, the error and the flight that it
//! holds. Time and chance come in as arguments. Values that it no longer needs are
//! returned, so that the caller can drop them outside of its lock.
//!
//! Four reasons hold a fetch back, and each only what it is about:
//!
//! - the *backoff* of an endpoint that fails holds every fetch;
//! - the *budget* for rejections holds renewals that rejections ask for;
//! - a background renewal that is *lost* with its runtime holds background
//!   renewals for a second;
//! - tokens of *short life* are asked for once a second.

mod backoff;
mod budget;
mod current;
#[cfg(all(test, in_repository, not(loom)))]
pub(super) mod fake;
mod life;
mod now;
#[cfg(all(test, in_repository, not(loom)))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod search;
mod step;

pub(super) use self::backoff::Pause;
#[cfg(feature = "redis")]
pub(crate) use self::backoff::wait_after;
pub(super) use self::current::is_outrun;
#[cfg(feature = "redis")]
pub(crate) use self::current::{lifetime_for, usable_for};
pub(super) use self::life::{DEADLINE, Life, MAX_LOSSES};
pub(super) use self::now::{Now, later};
#[cfg(all(test, in_repository, not(loom)))]
pub(super) use self::step::Completed;
pub use self::step::Resend;
pub(super) use self::step::{
    Ask, Claim, Ending, Evidence, Failure, Fault, InFlight, Outcome, Reason, Rejection, Snapshot,
    Step, Suspect, Value,
};
pub(crate) use self::step::{Renewal, Usable};
