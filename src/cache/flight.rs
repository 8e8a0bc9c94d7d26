//! A flight: one fetch under way, as those who wait for it see it.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;
use tracing::Span;

use super::core::{Claim, Outcome};
use super::sync::Mutex;
use crate::{Error, Token, panics};

/// One fetch under way: its end, and who is to be told.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) claim: Claim<Token>,
    state: Mutex<State>,
    task: OnceLock<(AbortHandle, Span)>,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome<Error>>,
    waiters: BTreeMap<u64, Waker>,
    next_waiter: u64,
}

impl Flight {
    pub(super) fn new(claim: Claim<Token>) -> Self {
        Self {
            claim,
            state: Mutex::new(State::default()),
            task: OnceLock::new(),
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome<Error>> {
        self.state.lock().outcome.clone()
    }

    /// Tells all who wait. The cache's state must show the end already, and its
    /// lock must be free: wakers are foreign code.
    pub(super) fn complete(&self, outcome: Outcome<Error>) {
        let waiters = {
            let mut state = self.state.lock();
            state.outcome.get_or_insert(outcome);
            mem::take(&mut state.waiters)
        };
        for waker in waiters.into_values() {
            // One that panics must not cost the others theirs.
            panics::catch(|| waker.wake());
        }
    }

    /// `span` is that of all its events.
    pub(super) fn set_task(&self, task: AbortHandle, span: Span) {
        // Claimed once, launched once: the cell is empty.
        let _ = self.task.set((task, span));
    }

    pub(super) fn span(&self) -> Span {
        self.task
            .get()
            .map_or_else(Span::none, |(_, span)| span.clone())
    }

    /// Stops the task, which has no one to work for any more.
    pub(super) fn abort(&self) {
        if let Some((task, _)) = self.task.get() {
            task.abort();
        }
    }
}

/// One who waits for the end of a flight.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) flight: Arc<Flight>,
    place: Option<u64>,
}

impl Waiter {
    pub(super) fn new(flight: Arc<Flight>) -> Self {
        Self {
            flight,
            place: None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<Error>> {
        // Cloned before the lock is taken and dropped after it is free: wakers
        // are foreign code.
        let waker = cx.waker().clone();
        let mut state = self.flight.state.lock();
        if let Some(outcome) = state.outcome.clone() {
            return Poll::Ready(outcome);
        }
        let place = *self.place.get_or_insert(state.next_waiter);
        state.next_waiter = state.next_waiter.max(place.saturating_add(1));
        let before = state.waiters.insert(place, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let waker = self
            .place
            .and_then(|place| self.flight.state.lock().waiters.remove(&place));
        drop(waker);
    }
}
