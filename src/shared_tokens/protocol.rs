//! The protocol: what the processes of a fleet ask of the store, what it answers,
//! and within which limits.

pub(super) mod scripts;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cache::wait_after;

/// The keys of one pair of credentials.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// A [sealed token](super::entry), or a note that it is not worth sharing.
    pub(super) token: String,
    /// A [failure](super::refusal), until when exchanges are held back for it,
    /// and how many came before it.
    pub(super) hold: String,
    /// Who exchanges now.
    pub(super) lock: String,
    /// The budget for renewals that rejections ask for.
    pub(super) rejections: String,
}

/// Stands for a token: the same for the same value.
pub(super) type Tag = [u8; 16];

/// Stands for one publication of a token, since a token service may hand out
/// the same one again.
pub(super) type Id = [u8; 8];

/// Who holds the lock: a value that only holders of the credentials can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock(pub(super) Vec<u8>);

/// An instant by the store's own clock, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoreTime(pub(super) u64);

impl StoreTime {
    pub(super) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The time since `earlier`, zero where that is ahead.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// What a fetch asks: what it can't use, and whether it would exchange.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) lock: Lock,
    pub(super) exchange: Exchange,
    /// The token that the asker holds, and the publication it had it from,
    /// where it had it from the store.
    pub(super) held: Option<(Tag, Option<Id>)>,
    /// The tokens that the asker saw rejected.
    pub(super) rejected: Vec<Tag>,
    pub(super) renewal: Renewal,
    pub(super) unreadable: Unreadable,
}

/// Whether the asker has the time left to exchange by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    IfNobodyElse,
    No,
}

/// Why the asker wants another token than the one that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Not for a rejection, or it has none left: that is not held back.
    Due,
    /// The one that it holds, and goes on to use, was rejected.
    Rejected,
    /// As before, after it was told to wait and nothing has cleared the token.
    RejectedStill,
}

/// What the asker was answered before and could not read: the front of the
/// entries, and the lock. The store passes over these.
#[derive(Clone, Debug, Default)]
pub(super) struct Unreadable {
    pub(super) token: Vec<u8>,
    pub(super) hold: Vec<u8>,
    pub(super) lock: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// When the store answered, by its own clock.
    pub(super) now: StoreTime,
    pub(super) what: What,
}

/// What a fetch is to do. In the order in which the store decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// There is a token that the asker can use, for so long; `None` where the
    /// key has lost its lifetime, and the entry alone tells.
    Token {
        entry: Vec<u8>,
        left: Option<Duration>,
    },
    /// An exchange failed, and the next one is held back for so long.
    Hold { entry: Vec<u8>, left: Duration },
    /// Somebody else exchanges.
    Wait { lock: Vec<u8> },
    /// Nobody exchanges, and the asker has no time left for it.
    Free,
    /// The budget for rejections is spent: for so long.
    Spaced { left: Duration },
    /// The lock is the asker's, who is to exchange. The entry is that of the
    /// failure before, empty without one.
    Exchange { before: Vec<u8> },
}

/// Whether the store did as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// The lock was not the asker's any more, so nothing was written.
    NotOurs,
}

/// How far apart renewals are beyond the budget: as failures are.
pub(super) fn step(failures: usize) -> Duration {
    wait_after(failures, Duration::ZERO, 0.0)
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Entries of any other version are passed over.
pub(super) const VERSION: u8 = 1;

/// A process that is killed while it exchanges is replaced after this.
pub(super) const LEASE: Duration = Duration::from_secs(3);

/// A token that can be used for less is not handed out.
pub(super) const MIN_LEFT: Duration = Duration::from_secs(1);

/// No hold is longer: five minutes, and the tenth that is added so that a fleet
/// does not return at once.
pub(super) const MAX_HOLD: Duration = Duration::from_secs(330);

/// A failure is remembered for so long after its hold, so that the next one
/// takes the next step.
pub(super) const HOLD_MEMORY: Duration = Duration::from_secs(300);

/// Rejections ask for three renewals at once, and for one more every five
/// minutes: those of one process and those of the whole fleet.
pub(super) const REJECTION_BURST: u32 = 3;
pub(super) const REJECTION_PERIOD: Duration = Duration::from_secs(300);

/// By the sixth renewal beyond the budget the spacing is at its longest.
pub(super) const MAX_DEBT: u32 = REJECTION_BURST + 6;

/// Half of it drawn, half of it a tag.
pub(super) const LOCK_LENGTH: usize = 32;

/// The version, the tag and the id, before the nonce.
pub(super) const TOKEN_FRONT: usize = 25;
/// The version and the end of the hold in fifteen digits, before the nonce.
pub(super) const HOLD_FRONT: usize = 16;
pub(super) const NONCE: usize = 12;

/// What an entry may be long: shorter ones have no whole front to tell them by,
/// and longer ones than the longest token and the longest names are not read.
pub(super) const TOKEN_ENTRY: RangeInclusive<usize> = TOKEN_FRONT + NONCE..=8400;
pub(super) const HOLD_ENTRY: RangeInclusive<usize> = HOLD_FRONT + NONCE..=512;
