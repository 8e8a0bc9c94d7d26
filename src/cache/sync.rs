//! The shared-memory primitives under the cache, exchanged for loom's models of
//! them where loom checks this crate itself: `--cfg loom` alone may as well mean
//! that an application is being checked.

#[cfg(all(test, loom))]
pub(super) use loom::sync::{
    MutexGuard,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    MutexGuard, OnceLock,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(all(test, loom)))]
pub(super) use tokio::sync::{Notify, futures::OwnedNotified};

pub(super) use self::imp::{Mutex, Slot};
#[cfg(all(test, loom))]
pub(super) use self::landing::{Notify, OnceLock, OwnedNotified};

#[cfg(all(test, loom))]
#[allow(clippy::unwrap_used)]
mod landing;

#[cfg(not(all(test, loom)))]
mod imp {
    use std::sync::{Arc, PoisonError};

    use super::MutexGuard;
    use arc_swap::ArcSwapOption;

    /// A mutex that a panic leaves usable: what it guards is changed in steps
    /// that can't panic halfway.
    #[derive(Debug)]
    pub(in super::super) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(in super::super) fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(in super::super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(in super::super) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A place for an `Arc` that is read without a lock.
    #[derive(Debug)]
    pub(in super::super) struct Slot<T>(ArcSwapOption<T>);

    impl<T> Slot<T> {
        pub(in super::super) fn load(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        pub(in super::super) fn store(&self, value: Option<Arc<T>>) {
            self.0.store(value);
        }
    }

    impl<T> Default for Slot<T> {
        fn default() -> Self {
            Self(ArcSwapOption::empty())
        }
    }
}

#[cfg(all(test, loom))]
mod imp {
    use std::sync::{Arc, PoisonError};

    use super::MutexGuard;

    #[derive(Debug)]
    pub(in super::super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(in super::super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(in super::super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(in super::super) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// arc-swap has no loom model; a lock gives its guarantees, no more.
    #[derive(Debug)]
    pub(in super::super) struct Slot<T>(Mutex<Option<Arc<T>>>);

    impl<T> Slot<T> {
        pub(in super::super) fn load(&self) -> Option<Arc<T>> {
            self.0.lock().clone()
        }

        pub(in super::super) fn store(&self, value: Option<Arc<T>>) {
            *self.0.lock() = value;
        }
    }

    impl<T> Default for Slot<T> {
        fn default() -> Self {
            Self(Mutex::new(None))
        }
    }
}
