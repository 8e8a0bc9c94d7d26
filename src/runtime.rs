//! What is needed of tokio, the errors where it is not there, and panics caught.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
#[cfg(feature = "client")]
use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};

use crate::{Error, ErrorKind};

/// The runtime that polls the caller, and a timer on it.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
}

/// The runtime that polls the caller.
///
/// # Errors
///
/// [`ErrorKind::Runtime`] where there is none.
pub(crate) fn current() -> Result<Handle, Error> {
    Handle::try_current().map_err(|_| missing())
}

/// The exchange's task went down with its runtime.
pub(crate) fn shut_down() -> Error {
    Error::new(ErrorKind::Runtime, SHUT_DOWN).transient(true)
}

fn missing() -> Error {
    Error::new(ErrorKind::Runtime, MISSING)
}

impl Timer {
    /// A timer on the current runtime, from now on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Runtime`] where there is none with timers.
    #[cfg(feature = "client")]
    pub(crate) fn after(span: Duration) -> Result<Self, Error> {
        let now = tokio::time::Instant::now().into_std();
        Self::at(now.checked_add(span).unwrap_or(now))
    }

    /// A timer on the current runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Runtime`] where there is none with timers.
    pub(crate) fn at(at: Instant) -> Result<Self, Error> {
        current()?;
        // tokio tells of a runtime without timers by a panic only.
        catch_unwind(|| Box::pin(sleep_until(at.into())))
            .map(|sleep| Self { sleep })
            .map_err(|_| missing())
    }

    /// # Errors
    ///
    /// [`ErrorKind::Runtime`] where the timer's runtime has shut down.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Likewise for a runtime that is gone.
        catch_unwind(AssertUnwindSafe(|| self.sleep.as_mut().poll(cx)))
            .map_or_else(|_| Poll::Ready(Err(shut_down())), |poll| poll.map(Ok))
    }
}

/// What `future` returns, or `None` where it panics.
pub(crate) async fn catch_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // A future that has panicked is not polled again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(payload) => {
                // What it is may panic again when it is dropped.
                std::mem::forget(payload);
                Poll::Ready(None)
            }
        }
    })
    .await
}

const MISSING: &str = "there is no tokio runtime with timers here: \
     call from within one that was built with `enable_time` or `enable_all`";
const SHUT_DOWN: &str = "the tokio runtime that fetched the token has shut down: \
     keep the runtime that runs the requests alive";
