//! One state, and the lock that all handles and services of a sandbox share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::state::State;

#[derive(Clone, Debug)]
pub(super) struct Shared {
    state: Arc<Mutex<State>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(Instant::now()))),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
