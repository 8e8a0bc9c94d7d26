//! The state that all handles of one layer share: the token's life under a
//! lock, and what is published of it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::DEADLINE;
use super::cached::{CachedToken, Copies, Published};
use super::clock::{Clock, Now};
use super::decision::{Decision, Rejection};
use super::exchange::Exchange;
use super::flight::{Flight, Landing};
use super::life::Life;
use super::report::Report;
use super::sync::{Mutex, MutexGuard};
use crate::runtime;
use crate::{Error, Token};

/// What all handles of one layer share.
pub(crate) struct Shared {
    pub(super) clock: Clock,
    pub(super) exchange: Arc<Exchange>,
    pub(super) waiting: AtomicUsize,
    published: Published,
    state: Mutex<State>,
    this: Weak<Self>,
}

#[derive(Debug)]
struct State {
    life: Life,
    /// `life`'s token, as requests carry it.
    current: Option<Copies>,
    /// `life`'s exchange under way, as waiters see it.
    flight: Option<Arc<Flight>>,
}

/// What a request does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this token.
    Send(Arc<CachedToken>),
    /// Send this token; a renewal is due that nobody has claimed.
    SendAndRenew(Arc<CachedToken>),
    /// Wait for this exchange.
    Join(Arc<Flight>),
    /// Claim an exchange, then wait for it.
    Claim,
    /// Fail at once.
    Fail(Error),
}

impl Shared {
    pub(super) fn new(exchange: Exchange) -> Arc<Self> {
        let state = State {
            life: Life::new(DEADLINE, fastrand::Rng::new()),
            current: None,
            flight: None,
        };
        Arc::new_cyclic(|this| Self {
            clock: Clock::new(),
            exchange: Arc::new(exchange),
            waiting: AtomicUsize::new(0),
            published: Published::default(),
            state: Mutex::new(state),
            this: this.clone(),
        })
    }

    /// The hot path: the token, if it may be sent without a further thought.
    pub(crate) fn fresh(&self) -> Option<Arc<CachedToken>> {
        self.published.fresh(&self.clock)
    }

    /// The slow path's decision; `forced` where the held token won't do. Claims
    /// nothing, so it may be called where no exchange can be started.
    pub(super) fn decide(&self, forced: bool) -> Step {
        let (mut state, now) = self.lock();
        let overdue = state.end_overdue(now);
        let step = match forced {
            false => state.decide(now, &self.clock),
            true => state.decide_forced(now),
        };
        let generation = state.life.generation();
        unlock(state);
        if let Some((flight, landing)) = overdue {
            flight.land(landing.clone());
            flight.abort();
            // Here, as the task that would report it is stopped, if not stalled.
            let took = now.since(flight.begun());
            Report::new(took, generation).emit(Some(&landing));
        }
        step
    }

    /// Claims an exchange, unless one is under way, held back or not needed.
    /// The caller must [launch](Self::launch) it.
    pub(super) fn claim(&self, forced: bool) -> Option<Arc<Flight>> {
        let (mut state, now) = self.lock();
        let wanted = forced
            || matches!(
                state.decide(now, &self.clock),
                Step::SendAndRenew(_) | Step::Claim
            );
        let claim = wanted.then(|| state.life.claim(now)).flatten()?;
        let flight = Arc::new(Flight::new(claim, now));
        state.flight = Some(flight.clone());
        // The renewal is under way: requests need not ask about it any more.
        state.decide(now, &self.clock);
        Some(flight)
    }

    /// The exchange ended: with a token and when it was begun, with an error,
    /// or, with `None`, not at all. Returns how, unless it was overdue and has
    /// been given up.
    pub(super) fn end(
        &self,
        flight: &Flight,
        outcome: Option<Result<(Token, Now), Error>>,
    ) -> Option<Landing> {
        let (mut state, now) = self.lock();
        let (life, id) = (&mut state.life, flight.id());
        if !life.is_under_way(id) {
            return None;
        }
        let landing = match outcome {
            Some(Ok((token, started))) => match life.succeed(id, token, started, now)? {
                Ok(()) => Landing::Token,
                Err(error) => Landing::Failed(error),
            },
            Some(Err(error)) => Landing::Failed(life.fail(id, error, now)?),
            None => {
                life.lose(id, runtime::shut_down(), now)?;
                Landing::Lost
            }
        };
        state.flight = None;
        self.publish(&mut state, now);
        unlock(state);
        flight.land(landing.clone());
        Some(landing)
    }

    /// The API rejected the token of `generation`: renews it at once, if that
    /// is permitted. Returns whether a request that is sent again would carry
    /// another token.
    pub(super) fn reject(&self, generation: u64) -> bool {
        let (mut state, now) = self.lock();
        let rejection = state.life.reject(generation, now);
        state.decide(now, &self.clock);
        unlock(state);
        if rejection == Rejection::Renews {
            self.renew();
        }
        rejection != Rejection::Spaced
    }

    pub(super) fn invalidate(&self, token: &Token) {
        let (mut state, now) = self.lock();
        if state.life.invalidate(token, now) {
            self.publish(&mut state, now);
        }
        unlock(state);
    }

    /// Makes what requests read agree with the token's life, after a change.
    fn publish(&self, state: &mut State, now: Now) {
        let generation = state.life.generation();
        let token = state.life.token();
        let is_current = |current: &Copies| token.is_some() && current.generation() == generation;
        if !state.current.as_ref().is_some_and(is_current) {
            let next = token.map(|token| Copies::new(token, generation, self.this.clone()));
            // Handles that kept the old one must ask, too.
            if let Some(old) = std::mem::replace(&mut state.current, next) {
                old.set_quiet_until(0);
            }
            self.published.replace(state.current.as_ref());
        }
        state.decide(now, &self.clock);
    }

    pub(super) fn status(&self) -> super::Status {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let (state, now) = self.lock();
        super::Status::new(&state.life, waiting, now)
    }

    /// The clocks are read under the lock, so that they never run backwards for
    /// the state.
    fn lock(&self) -> (MutexGuard<'_, State>, Now) {
        let state = self.state.lock();
        let now = self.clock.now();
        (state, now)
    }

    pub(super) fn this(&self) -> Weak<Self> {
        self.this.clone()
    }
}

impl fmt::Debug for Shared {
    /// As it tells of itself: the lock is not held while it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The last handle is gone: nobody wants the token any more.
        if let Some(flight) = &self.state.get_mut().flight {
            flight.abort();
        }
    }
}

/// Frees the lock, then drops the errors that the state has done with: their
/// sources are foreign code, which may call back.
fn unlock(mut state: MutexGuard<'_, State>) {
    let displaced = state.life.take_displaced();
    drop(state);
    drop(displaced);
}

impl State {
    /// What a request does, and until when the current token may be sent
    /// without asking again.
    fn decide(&mut self, now: Now, clock: &Clock) -> Step {
        let decision = self.life.decide(now);
        if let Some(current) = &self.current {
            let quiet = match &decision {
                Decision::Send { until, .. } => clock.ticks(*until),
                Decision::Wait | Decision::Fail(_) => 0,
            };
            current.set_quiet_until(quiet);
        }
        match (decision, &self.current) {
            (Decision::Send { renewal_due, .. }, Some(current)) => match renewal_due {
                true => Step::SendAndRenew(current.own().clone()),
                false => Step::Send(current.own().clone()),
            },
            (Decision::Fail(error), _) => Step::Fail(error),
            _ => match &self.flight {
                Some(flight) => Step::Join(flight.clone()),
                None => Step::Claim,
            },
        }
    }

    fn decide_forced(&self, now: Now) -> Step {
        match (&self.flight, self.life.held_back(now)) {
            (Some(flight), _) => Step::Join(flight.clone()),
            (None, Some(error)) => Step::Fail(error),
            (None, None) => Step::Claim,
        }
    }

    fn end_overdue(&mut self, now: Now) -> Option<(Arc<Flight>, Landing)> {
        let (_, error) = self.life.end_overdue(now)?;
        Some((self.flight.take()?, Landing::Failed(error)))
    }
}
