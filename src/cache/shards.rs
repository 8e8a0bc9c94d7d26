//! The token in use, where every request can read it without a lock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::HeaderValue;

use super::clock::Clock;
use super::core::Renewal;
use super::mark::{Bearer, Mark};
use super::sync::{AtomicU64, Ordering, Slot};
use crate::Token;

/// The token in use, as the requests of a few threads carry it. Aligned so that
/// no two shards' reference counts share a cache line: processors fetch two of
/// 64 bytes at once.
#[repr(align(128))]
pub(crate) struct Shard {
    header: HeaderValue,
    mark: Mark,
    fresh_until: Arc<AtomicU64>,
}

impl Shard {
    #[inline]
    fn bearer(&self) -> Bearer {
        Bearer {
            header: self.header.clone(),
            mark: self.mark,
            renewal: Renewal::NotDue,
        }
    }

    /// Whether it may be sent without asking.
    #[inline]
    pub(super) fn is_fresh(&self, clock: &Clock) -> bool {
        clock.is_before(self.fresh_until.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}

/// One token, a copy of it in each shard: a reference count that all threads change
/// costs more than everything else.
#[derive(Debug)]
pub(super) struct Shards {
    shards: [Arc<Shard>; COUNT],
    /// Ticks of the cache's clock until which it may be sent without asking.
    fresh_until: Arc<AtomicU64>,
}

impl Shards {
    pub(super) fn new(token: &Token, mark: Mark) -> Self {
        let fresh_until = Arc::new(AtomicU64::new(0));
        let shards = std::array::from_fn(|_| {
            Arc::new(Shard {
                header: token.deep_clone().header_value().clone(),
                mark,
                fresh_until: fresh_until.clone(),
            })
        });
        Self {
            shards,
            fresh_until,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        let [first, ..] = &self.shards;
        first.mark
    }

    /// Lets requests send it without asking until `ticks`; 0 stops them.
    pub(super) fn set_fresh_until(&self, ticks: u64) {
        // Release, so that whoever sees a token stopped also sees what stopped it.
        self.fresh_until.store(ticks, Ordering::Release);
    }
}

/// Holds the token that may be sent without asking. Written under the cache's
/// lock, read without one.
#[derive(Debug, Default)]
pub(super) struct Published {
    slots: [Slot<Shard>; COUNT],
}

impl Published {
    /// The token, if it may be sent without asking, from this thread's shard. The
    /// caller's `own` is that shard from then on.
    #[inline]
    pub(super) fn fresh(&self, clock: &Clock, own: &mut Own) -> Option<Bearer> {
        // The limit sits on the token itself, so that the limit of one is never
        // applied to another that is being published meanwhile.
        self.slots.get(of_this_thread())?.with(|shard| {
            let shard = shard.filter(|shard| shard.is_fresh(clock));
            own.replace(shard);
            Some(shard?.bearer())
        })
    }

    pub(super) fn replace(&self, shards: Option<&Shards>) {
        for (index, slot) in self.slots.iter().enumerate() {
            slot.store(shards.and_then(|shards| shards.shards.get(index)).cloned());
        }
    }
}

/// The shard that one service holds on to, which spares it the search. Only from
/// its second call on: where each request has a service of its own, as in axum,
/// it would be taken and given back for nothing.
#[derive(Debug)]
pub(crate) enum Own {
    Uncalled,
    Called,
    Holding(Arc<Shard>),
}

impl Own {
    /// The token, if this service holds on to it and it may be sent without asking.
    #[inline]
    pub(super) fn fresh(&self, clock: &Clock) -> Option<Bearer> {
        match self {
            Self::Holding(shard) if shard.is_fresh(clock) => Some(shard.bearer()),
            _ => None,
        }
    }

    fn replace(&mut self, shard: Option<&Arc<Shard>>) {
        *self = match (&self, shard) {
            (Self::Uncalled, _) | (_, None) => Self::Called,
            (_, Some(shard)) => Self::Holding(shard.clone()),
        };
    }
}

/// Which shard this thread uses. Threads take turns.
#[inline]
fn of_this_thread() -> usize {
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Relaxed) % COUNT;
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    OWN.with(|own| *own)
}

/// Each takes less than a kilobyte. More threads than this share them, which costs
/// something only where two send at the same moment.
const COUNT: usize = if cfg!(all(test, loom)) { 1 } else { 8 };
