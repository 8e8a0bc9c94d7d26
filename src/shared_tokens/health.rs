//! Tells of the store's state: once when it fails, and once when it is back.

use std::sync::atomic::{AtomicU8, Ordering};

use tracing::warn;

use super::store::StoreError;

/// Shared by all clones of a layer.
#[derive(Default)]
pub(super) struct Health {
    state: AtomicU8,
}

impl Health {
    pub(super) fn answered(&self) {
        if self.state.swap(ANSWERS, Ordering::Relaxed) == FAILS {
            warn!(target: TARGET, "token store is back: tokens are shared again");
        }
    }

    pub(super) fn failed(&self, error: &StoreError) {
        if self.state.swap(FAILS, Ordering::Relaxed) != FAILS {
            warn!(
                target: TARGET, error = %error,
                "token store failed: this process exchanges by itself until it is back"
            );
        }
    }
}

const ANSWERS: u8 = 0;
const FAILS: u8 = 1;

const TARGET: &str = "fiskil_auth";
