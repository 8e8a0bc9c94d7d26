//! One exchange under way, as those who wait for it see it.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;

use super::clock::Now;
use super::decision::Claim;
use super::sync::{Notify, OnceLock};
use crate::{Error, Token};

/// One exchange under way: its end, and who is to be told.
#[derive(Debug)]
pub(super) struct Flight {
    claim: Claim,
    begun: Now,
    landed: OnceLock<Landing>,
    landing: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

/// How an exchange ended.
#[derive(Clone, Debug)]
pub(super) enum Landing {
    /// With a token, which is published.
    Token,
    /// With an error, which all who waited share.
    Failed(Error),
    /// Not at all: the runtime that ran it is gone.
    Lost,
}

impl Flight {
    pub(super) fn new(claim: Claim, begun: Now) -> Self {
        Self {
            claim,
            begun,
            landed: OnceLock::new(),
            landing: Arc::default(),
            task: OnceLock::new(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.claim.id
    }

    /// When it was claimed.
    pub(super) fn begun(&self) -> Now {
        self.begun
    }

    pub(super) fn deadline(&self) -> Instant {
        self.claim.deadline
    }

    pub(super) fn rejected(&self) -> Option<&Token> {
        self.claim.rejected.as_ref()
    }

    pub(super) fn held(&self) -> Option<&Token> {
        self.claim.held.as_ref()
    }

    pub(super) fn landed(&self) -> Option<&Landing> {
        self.landed.get()
    }

    /// What wakes a waiter. It must be polled before the first look at
    /// [`landed`](Self::landed), or an end in between is missed.
    pub(super) fn landing(&self) -> Arc<Notify> {
        self.landing.clone()
    }

    /// Ends it and wakes all who wait. The cache's state must show the end
    /// already, and its lock must be free: wakers are foreign code.
    pub(super) fn land(&self, landing: Landing) {
        if self.landed.set(landing).is_ok() {
            self.landing.notify_waiters();
        }
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        // Claimed once, launched once: the cell is empty.
        let _ = self.task.set(task);
    }

    /// Stops the task, which has no one to work for any more.
    pub(super) fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}
