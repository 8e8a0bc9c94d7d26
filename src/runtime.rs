//! What is needed of tokio, and the errors where it is not there.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::time::{Sleep, sleep_until};

use crate::{Error, ErrorKind};

/// A timer on the runtime that polls it, which may be another one each time.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    runtime: Id,
}

/// The runtime that polls the caller.
///
/// # Errors
///
/// [`ErrorKind::Runtime`] where there is none.
pub(crate) fn current() -> Result<Handle, Error> {
    Handle::try_current().map_err(|_| missing())
}

/// The fetch's task went down with its runtime.
pub(crate) fn shut_down() -> Error {
    let now = tokio::time::Instant::now().into_std();
    Error::new(ErrorKind::Runtime, SHUT_DOWN)
        .transient(true)
        .with_retry_at(now.checked_add(ANOTHER_RUNTIME))
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
        let runtime = current()?.id();
        // tokio tells of a runtime without timers by a panic only.
        catch_unwind(|| Box::pin(sleep_until(at.into())))
            .map(|sleep| Self { sleep, runtime })
            .map_err(|_| missing())
    }

    /// # Errors
    ///
    /// [`ErrorKind::Runtime`] where the timer's runtime has shut down, or the
    /// one that polls it has no timers.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // The runtime that it was made on may have stopped.
        if current().is_ok_and(|runtime| runtime.id() != self.runtime) {
            *self = Self::at(self.sleep.deadline().into_std())?;
        }
        // tokio tells of a runtime that is gone by a panic only, too.
        catch_unwind(AssertUnwindSafe(|| self.sleep.as_mut().poll(cx)))
            .map_or_else(|_| Poll::Ready(Err(shut_down())), |poll| poll.map(Ok))
    }
}

const MISSING: &str = "there is no tokio runtime with timers here: \
     call from within one that was built with `enable_time` or `enable_all`";
const SHUT_DOWN: &str = "the tokio runtime that fetched the token has shut down: \
     keep the runtime that runs the requests alive";

/// By then a program that replaces its runtime has commonly done so.
const ANOTHER_RUNTIME: Duration = Duration::from_secs(1);
