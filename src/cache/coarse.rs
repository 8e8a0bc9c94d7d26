//! A clock that takes a few nanoseconds to read, for being a little late.

use std::time::Duration;

/// Its ticks since some instant, never set back; commonly late by [`LAG`] at
/// most. `None` where the system has no such clock.
#[inline]
pub(super) fn now() -> Option<u64> {
    imp::now()
}

/// How many of its ticks `span` has.
pub(super) fn ticks(span: Duration) -> u64 {
    imp::ticks(span)
}

/// The kernel notes the time at its timer interrupts, of which it has 100 a
/// second at least. Twice that, for one that is late. On a machine that stands
/// still for longer, nothing is in time: a token's margin is for that.
pub(super) const LAG: Duration = Duration::from_millis(20);

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use std::time::Duration;

    #[inline]
    pub(super) fn now() -> Option<u64> {
        // Without a store to a static, which all threads would share.
        Some(coarsetime::Instant::now_without_cache_update().as_ticks())
    }

    pub(super) fn ticks(span: Duration) -> u64 {
        coarsetime::Duration::from(span).as_ticks()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    use std::time::Duration;

    pub(super) fn now() -> Option<u64> {
        None
    }

    pub(super) fn ticks(_: Duration) -> u64 {
        0
    }
}
