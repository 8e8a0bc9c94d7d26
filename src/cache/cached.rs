//! The current token where every request can read it without a lock.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use http::HeaderValue;

use super::clock::Clock;
use super::shared::Shared;
use super::sync::{AtomicU64, Ordering, Slot};
use crate::Token;

/// The current token, as requests carry it. It knows its cache, so that a
/// request needs to keep nothing else to report a rejection. Aligned so that no
/// two copies' reference counts share a cache line: processors fetch two of 64
/// bytes at once.
#[repr(align(128))]
pub(crate) struct CachedToken {
    token: Token,
    value: Arc<Value>,
}

/// What the copies of one value of the token share, and only read on the hot
/// path.
struct Value {
    generation: u64,
    /// Ticks of the cache's clock until which it may be sent without asking.
    quiet_until: AtomicU64,
    cache: Weak<Shared>,
}

/// One value of the token: a copy of its own for every few threads, since a
/// reference count that all threads change costs more than all the rest.
#[derive(Clone, Debug)]
pub(super) struct Copies([Arc<CachedToken>; COPIES]);

impl Copies {
    pub(super) fn new(token: &Token, generation: u64, cache: Weak<Shared>) -> Self {
        let value = Arc::new(Value {
            generation,
            quiet_until: AtomicU64::new(0),
            cache,
        });
        Self(std::array::from_fn(|_| {
            Arc::new(CachedToken {
                token: token.deep_clone(),
                value: value.clone(),
            })
        }))
    }

    /// The copy for this thread.
    pub(super) fn own(&self) -> &Arc<CachedToken> {
        let [first, ..] = &self.0;
        self.0.get(own_copy()).unwrap_or(first)
    }

    pub(super) fn generation(&self) -> u64 {
        self.own().value.generation
    }

    /// Lets requests send it without asking until `ticks`; 0 stops them.
    pub(super) fn set_quiet_until(&self, ticks: u64) {
        // Release, so that whoever sees a token stopped also sees what stopped it.
        self.own().value.quiet_until.store(ticks, Ordering::Release);
    }
}

impl CachedToken {
    pub(crate) fn header(&self) -> &HeaderValue {
        self.token.header_value()
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The API rejected this token. Returns whether another one is there or on
    /// its way.
    pub(crate) fn reject(&self) -> bool {
        let cache = self.value.cache.upgrade();
        cache.is_some_and(|cache| cache.reject(self.value.generation))
    }

    /// Starts the renewal that is due, if nobody else does.
    pub(crate) fn renew(&self) {
        if let Some(cache) = self.value.cache.upgrade() {
            cache.renew();
        }
    }

    /// Whether it may be sent without asking.
    pub(super) fn is_quiet(&self, clock: &Clock) -> bool {
        clock.is_before(self.value.quiet_until.load(Ordering::Acquire))
    }

    #[cfg(all(test, loom))]
    pub(super) fn generation(&self) -> u64 {
        self.value.generation
    }

    #[cfg(all(test, loom))]
    pub(super) fn is_stopped(&self) -> bool {
        self.value.quiet_until.load(Ordering::Acquire) == 0
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken")
            .field("token", &self.token)
            .field("generation", &self.value.generation)
            .finish_non_exhaustive()
    }
}

/// Holds the token that may be sent without asking. Written under the cache's
/// lock, read without one.
#[derive(Debug, Default)]
pub(super) struct Published {
    slots: [Slot<CachedToken>; COPIES],
}

impl Published {
    /// The token, if it may be sent without asking.
    pub(super) fn fresh(&self, clock: &Clock) -> Option<Arc<CachedToken>> {
        // The limit sits on the token itself, so that the limit of one is never
        // applied to another that is being published meanwhile.
        let token = self.slots.get(own_copy())?.load()?;
        token.is_quiet(clock).then_some(token)
    }

    pub(super) fn replace(&self, copies: Option<&Copies>) {
        for (index, slot) in self.slots.iter().enumerate() {
            slot.store(copies.and_then(|copies| copies.0.get(index)).cloned());
        }
    }
}

/// Which copy this thread uses. Threads take turns.
fn own_copy() -> usize {
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Relaxed) % COPIES;
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    OWN.with(|own| *own)
}

/// Of less than a kilobyte each. More threads share them, which costs little: it
/// takes two that send at the same moment.
const COPIES: usize = if cfg!(all(test, loom)) { 1 } else { 8 };
