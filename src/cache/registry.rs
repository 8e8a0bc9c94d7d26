//! All caches by number: what a request remembers of its cache is a number, so
//! that it need not change a reference count that all threads share. Looked
//! into on rejections and renewals only.
//!
//! Lock order: this lock is taken with no other held, and none is taken under
//! it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::core::{Resend, Suspect};

/// What a cache does about what became of a request. A trait, so that the cache
/// can know what its requests remember, and need not be known by it.
pub(super) trait Reports: Send + Sync {
    /// The API rejected the token of `generation`. Returns which one a request
    /// would carry that is sent again.
    fn reject(&self, generation: u32) -> Resend;

    /// The API accepted the token of `generation`, in a request that was sent while
    /// that was `suspect`.
    fn clear(&self, generation: u32, suspect: Suspect);

    /// Starts a renewal, if one is due and this is a place where it can run.
    fn renew(&self);
}

/// The number of a cache, given to no other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CacheId(NonZeroU32);

/// Its entry in the table, for as long as it lives.
#[derive(Debug)]
pub(super) struct Entry {
    id: CacheId,
}

struct Table {
    caches: BTreeMap<CacheId, Weak<dyn Reports>>,
    next: NonZeroU32,
}

impl Entry {
    pub(super) fn new(cache: Weak<dyn Reports>) -> Self {
        let mut table = lock();
        let id = CacheId(table.next);
        table.next = table.next.checked_add(1).unwrap_or(NonZeroU32::MIN);
        table.caches.insert(id, cache);
        Self { id }
    }

    pub(super) fn id(&self) -> CacheId {
        self.id
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock().caches.remove(&self.id);
    }
}

/// The cache of this number, if it is still there.
pub(super) fn find(id: CacheId) -> Option<Arc<dyn Reports>> {
    lock().caches.get(&id).and_then(Weak::upgrade)
}

fn lock() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    caches: BTreeMap::new(),
    next: NonZeroU32::MIN,
});
