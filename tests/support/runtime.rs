//! Runtimes, and how far their tasks have got.

use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, on a clock that stands still until all tasks wait.
pub fn paused_runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// A runtime of one thread, on the real clock.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Lets spawned tasks get as far as they can without the clock.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
