//! Panics of foreign code, where they must not reach whoever is next.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// What `call` returns, or `None` where it panics.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // What it is may panic again when it is dropped.
            std::mem::forget(payload);
            None
        }
    }
}

/// What `future` returns, or `None` where it panics.
pub(crate) async fn catch_future<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // A future that has panicked is not polled again, only dropped.
        match catch(|| future.as_mut().poll(cx)) {
            Some(poll) => poll.map(Some),
            None => Poll::Ready(None),
        }
    })
    .await
}
