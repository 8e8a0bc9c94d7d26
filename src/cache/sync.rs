//! The shared-memory primitives under the cache, exchanged for loom's models of
//! them where loom checks this crate itself: `--cfg loom` alone may as well mean
//! that an application is being checked.

#[cfg(all(test, loom))]
pub(super) use loom::sync::{
    Mutex as Lock, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    Mutex as Lock, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use std::sync::{Arc, PoisonError};

/// A mutex that a panic leaves usable: what it guards is changed in steps that
/// can't panic halfway.
#[derive(Debug)]
pub(super) struct Mutex<T>(Lock<T>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Lock::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for an `Arc` that is read without a lock.
#[cfg(not(all(test, loom)))]
#[derive(Debug)]
pub(super) struct Slot<T>(arc_swap::ArcSwapOption<T>);

#[cfg(not(all(test, loom)))]
impl<T> Slot<T> {
    /// Reads it. No reference count changes.
    #[inline]
    pub(super) fn with<R>(&self, read: impl FnOnce(Option<&Arc<T>>) -> R) -> R {
        read(self.0.load().as_ref())
    }

    pub(super) fn store(&self, value: Option<Arc<T>>) {
        self.0.store(value);
    }
}

#[cfg(not(all(test, loom)))]
impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(arc_swap::ArcSwapOption::empty())
    }
}

/// arc-swap has no loom model; a lock gives its guarantees, no more.
#[cfg(all(test, loom))]
#[derive(Debug)]
pub(super) struct Slot<T>(Mutex<Option<Arc<T>>>);

#[cfg(all(test, loom))]
impl<T> Slot<T> {
    pub(super) fn with<R>(&self, read: impl FnOnce(Option<&Arc<T>>) -> R) -> R {
        let value = self.0.lock().clone();
        read(value.as_ref())
    }

    pub(super) fn store(&self, value: Option<Arc<T>>) {
        *self.0.lock() = value;
    }
}

#[cfg(all(test, loom))]
impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}
