//! The current token where every request can read it without a lock.

use std::fmt;
use std::sync::{Arc, Weak};

use http::HeaderValue;

use super::shared::Shared;
use super::sync::{AtomicU64, Ordering, Slot};
use crate::Token;

/// One value of the token, as requests carry it. It knows its cache, so that a
/// request needs to keep nothing else to report a rejection.
pub(crate) struct CachedToken {
    token: Token,
    generation: u64,
    /// Ticks of the cache's clock until which it may be sent without asking.
    quiet_until: AtomicU64,
    cache: Weak<Shared>,
}

impl CachedToken {
    pub(super) fn new(token: Token, generation: u64, cache: Weak<Shared>) -> Self {
        Self {
            token,
            generation,
            quiet_until: AtomicU64::new(0),
            cache,
        }
    }

    pub(crate) fn header(&self) -> &HeaderValue {
        self.token.header_value()
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The API rejected this token. Returns whether another one is there or on
    /// its way.
    pub(crate) fn reject(&self) -> bool {
        let cache = self.cache.upgrade();
        cache.is_some_and(|cache| cache.reject(self.generation))
    }

    /// Starts the renewal that is due, if nobody else does.
    pub(crate) fn renew(&self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.renew();
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Lets requests send it without asking until `ticks`; 0 stops them.
    pub(super) fn set_quiet_until(&self, ticks: u64) {
        // Release, so that whoever sees a token stopped also sees what stopped it.
        self.quiet_until.store(ticks, Ordering::Release);
    }

    #[cfg(all(test, loom))]
    pub(super) fn is_stopped(&self) -> bool {
        self.quiet_until.load(Ordering::Acquire) == 0
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken")
            .field("token", &self.token)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Holds the token that may be sent without asking. Written under the cache's
/// lock, read without one.
#[derive(Debug, Default)]
pub(super) struct Published {
    slot: Slot<CachedToken>,
}

impl Published {
    /// The token, if it may be sent at `ticks` without asking.
    pub(super) fn fresh(&self, ticks: u64) -> Option<Arc<CachedToken>> {
        let token = self.slot.load()?;
        // The limit sits on the token itself, so that the limit of one is never
        // applied to another that is being published meanwhile.
        (ticks < token.quiet_until.load(Ordering::Acquire)).then_some(token)
    }

    pub(super) fn replace(&self, token: Option<Arc<CachedToken>>) {
        self.slot.store(token);
    }
}
