//! Seeing what a thread logs, whatever other threads of the same process do.

use std::sync::OnceLock;

use tracing::subscriber::{self, DefaultGuard};
use tracing::{Dispatch, Subscriber};

/// Lets `subscriber` see what this thread logs while the guard lives.
///
/// Beside it there is another one, which nobody logs to. Where there is one only,
/// tracing-core asks the thread that comes to an event first whether anybody wants
/// it, and nobody hears of that event any more if that thread has no subscriber.
pub fn watch<S: Subscriber + Send + Sync>(subscriber: S) -> DefaultGuard {
    static OTHER: OnceLock<Dispatch> = OnceLock::new();
    OTHER.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
    subscriber::set_default(subscriber)
}
