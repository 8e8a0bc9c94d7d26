//! A clock that takes a few nanoseconds to read, for being a little late.

use std::time::Duration;

/// Nanoseconds since some instant, never set back; late by [`LAG`] at most.
/// `None` where the system has no such clock that is safe to read.
pub(super) fn now() -> Option<u64> {
    imp::now()
}

/// The kernel notes the time at its timer interrupts, of which it has 100 a
/// second at least. Twice that, for an interrupt that comes late.
pub(super) const LAG: Duration = Duration::from_millis(20);

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn now() -> Option<u64> {
        let now = clock_gettime(ClockId::MonotonicCoarse);
        let seconds = u64::try_from(now.tv_sec).ok()?;
        let nanos = u64::try_from(now.tv_nsec).ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    pub(super) fn now() -> Option<u64> {
        None
    }
}
