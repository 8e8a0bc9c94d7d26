//! loom's view of what the end of an exchange is handed over with. loom knows
//! neither `OnceLock` nor tokio's `Notify`: these do the same steps, in the same
//! order and with the same memory orderings, on primitives that it does know.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A value, and whether others may look at it yet.
#[derive(Debug)]
pub(in super::super) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    ready: AtomicBool,
}

impl<T> OnceLock<T> {
    pub(in super::super) fn new() -> Self {
        Self {
            value: std::sync::OnceLock::new(),
            ready: AtomicBool::new(false),
        }
    }

    pub(in super::super) fn get(&self) -> Option<&T> {
        let ready = self.ready.load(Ordering::Acquire);
        ready.then(|| self.value.get()).flatten()
    }

    pub(in super::super) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.ready.store(true, Ordering::Release);
        Ok(())
    }
}

/// Only `notify_waiters` is modelled, which leaves no permit behind.
#[derive(Debug)]
pub(in super::super) struct Notify {
    /// Changed under the lock, but looked at without it, too.
    calls: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            calls: AtomicUsize::new(0),
            waiting: Mutex::new(Vec::new()),
        }
    }
}

impl Notify {
    pub(in super::super) fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified {
            created_at: self.calls.load(Ordering::SeqCst),
            notify: self,
        }
    }

    pub(in super::super) fn notify_waiters(&self) {
        let mut waiting = self.waiting.lock().unwrap();
        self.calls.fetch_add(1, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *waiting);
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Unlike tokio's it stays on the list until it is woken: a waker too many does
/// no harm.
#[derive(Debug)]
pub(in super::super) struct OwnedNotified {
    notify: Arc<Notify>,
    created_at: usize,
}

impl Future for OwnedNotified {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let called = || self.notify.calls.load(Ordering::Acquire) != self.created_at;
        if called() {
            return Poll::Ready(());
        }
        let mut waiting = self.notify.waiting.lock().unwrap();
        if called() {
            return Poll::Ready(());
        }
        waiting.push(cx.waker().clone());
        Poll::Pending
    }
}
