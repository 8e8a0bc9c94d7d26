//! The states of a token's life, and what leads from one to the next.

mod answers;
mod verdicts;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::backoff::{Backoff, Pause};
use super::budget::Budget;
use super::current::{Charge, Current, SuspectRenewal};
use super::now::{Now, later};
use super::step::{
    Ask, Claim, Completed, Ending, Failure, Fault, InFlight, Outcome, Reason, Renewal, Step,
    Usable, Value,
};

/// What is known of the token, and of the fetch under way.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Life<T, E, F> {
    current: Option<Current<T>>,
    flight: Option<F>,
    backoff: Backoff,
    /// What the latest fetch failed with, until one succeeds.
    last_error: Option<E>,
    budget: Budget,
    /// Background renewals are held until then, as one was lost.
    background_from: Option<Instant>,
    /// Every fetch is held until then, so that there is one a second.
    spacing: Option<(Instant, Fault)>,
    /// Fetches in a row that were lost although somebody waited for them.
    losses: u32,
    /// The token that was invalidated last, or handed out although it was. Until a
    /// fetch that knew of it has brought a token that is not: the token service may
    /// have a cache that holds on to it.
    dropped: Option<T>,
    /// The latest tokens that were invalidated: never to be sent again.
    invalidated: VecDeque<T>,
    generation: u32,
    suspicions: NonZeroU32,
    fetches: u64,
    failures: u64,
    rejections: u64,
}

impl<T: Value, E: Failure, F: InFlight<Token = T>> Life<T, E, F> {
    /// No token yet.
    pub(in crate::cache) fn new() -> Self {
        Self {
            current: None,
            flight: None,
            backoff: Backoff::default(),
            last_error: None,
            budget: Budget::default(),
            background_from: None,
            spacing: None,
            losses: 0,
            dropped: None,
            invalidated: VecDeque::new(),
            generation: 0,
            suspicions: NonZeroU32::MIN,
            fetches: 0,
            failures: 0,
            rejections: 0,
        }
    }

    /// Claims a fetch, unless one is under way, held back or not needed. `launch`
    /// makes the flight.
    pub(in crate::cache) fn claim(
        &mut self,
        ask: Ask,
        now: Now,
        launch: impl FnOnce(Claim<T>) -> F,
    ) -> Option<F> {
        match self.step(ask, now) {
            Step::Claim
            | Step::Send(Usable {
                renewal: Renewal::Due,
                ..
            }) => {}
            _ => return None,
        }
        let reason = self.reason(ask, now);
        if reason == Reason::Rejected {
            self.charge(now);
        }
        count(&mut self.fetches);
        let flight = launch(Claim {
            id: self.fetches,
            generation: self.generation.wrapping_add(1),
            claimed_at: now,
            deadline: later(now.mono, DEADLINE),
            reason,
            rejected: self.rejected().cloned(),
            held: self.usable(now).map(|current| current.token.clone()),
        });
        self.flight = Some(flight.clone());
        Some(flight)
    }

    /// Takes the renewal of the suspect token off the budget.
    fn charge(&mut self, now: Now) {
        let current = self.current.as_mut();
        let Some(suspicion) = current.and_then(|current| current.suspicion.as_mut()) else {
            return;
        };
        match suspicion.charge {
            Charge::WithinBudget => self.budget.spend(now.mono),
            Charge::BeyondBudget => self.budget.overspend(),
            Charge::Done => {}
        }
        suspicion.charge = Charge::Done;
    }

    /// The fetch `id` ended. `chance`, from 0 to 1, draws what is drawn.
    ///
    /// # Errors
    ///
    /// The ending itself, where that fetch is no longer the one under way.
    pub(in crate::cache) fn complete(
        &mut self,
        id: u64,
        ending: Ending<T, E>,
        now: Now,
        chance: f64,
    ) -> Result<Completed<E>, Ending<T, E>> {
        let Some(flight) = self.flight.take_if(|flight| flight.id() == id) else {
            return Err(ending);
        };
        Ok(match ending {
            Ending::Token(token, called_at) => {
                let next = Current::new(token, &flight, called_at, chance);
                self.succeed(next, &flight, now, chance)
            }
            Ending::Failed(error) => match error.pause() {
                Some(Pause::RejectedRenewal(at)) => self.put_off(error, at),
                _ => self.fail(error, now, chance),
            },
            Ending::Lost => {
                self.lose(now);
                Completed {
                    outcome: Outcome::Lost,
                    displaced: None,
                }
            }
        })
    }

    /// Ends the flight whose deadline has passed, as a failure.
    pub(in crate::cache) fn end_overdue(
        &mut self,
        now: Now,
        chance: f64,
    ) -> Option<(F, Completed<E>)> {
        let flight = self
            .flight
            .take_if(|flight| flight.deadline() <= now.mono)?;
        Some((flight, self.fail(Fault::Overdue.into(), now, chance)))
    }

    fn succeed(&mut self, mut next: Current<T>, flight: &F, now: Now, chance: f64) -> Completed<E> {
        if self.is_invalidated(&next.token) {
            self.dropped = Some(next.token);
            return self.fail(Fault::InvalidatedAgain.into(), now, chance);
        }
        if !next.is_usable(now) {
            return self.fail(Fault::ExpiredOnArrival.into(), now, chance);
        }
        self.backoff.reset();
        self.background_from = None;
        self.losses = 0;
        self.spacing = (next.token.lifetime() < SECOND)
            .then(|| (later(next.claimed_at.mono, SECOND), Fault::ShortLived));
        let told = flight.rejected();
        self.dropped
            .take_if(|dropped| told.is_some_and(|told| told.is_same_value(dropped)));
        let displaced = self.last_error.take();
        let mut outcome = Outcome::Token;
        match &self.current {
            Some(current) if current.token.is_same_value(&next.token) => {
                next.suspicions = current.suspicions;
                if let Some(mut suspicion) = current.suspicion {
                    suspicion.renewal = SuspectRenewal::SameAgain;
                    suspicion.charge = Charge::BeyondBudget;
                    suspicion.renew_from = later(now.mono, self.budget.delay());
                    next.suspicion = Some(suspicion);
                    count(&mut self.failures);
                    let error = E::from(Fault::RejectedAgain);
                    outcome = Outcome::Failed(error.held_until(suspicion.renew_from));
                }
            }
            _ => self.generation = flight.generation(),
        }
        self.current = Some(next);
        Completed { outcome, displaced }
    }

    /// The runtime of a fetch died: a runtime for each request must not become a
    /// fetch for each request. Those who wait for one start it anew, at once.
    fn lose(&mut self, now: Now) {
        self.background_from = Some(later(now.mono, SECOND));
        if self.usable(now).is_none() {
            self.losses = self.losses.saturating_add(1);
        }
        if self.losses > MAX_LOSSES {
            self.spacing = Some((later(now.mono, SECOND), Fault::LostAgain));
        }
    }

    /// The renewal of the suspect token is beyond a budget that others share.
    fn put_off(&mut self, error: E, at: Instant) -> Completed<E> {
        count(&mut self.failures);
        self.losses = 0;
        let current = self.current.as_mut();
        if let Some(suspicion) = current.and_then(|current| current.suspicion.as_mut()) {
            suspicion.renew_from = at;
            suspicion.charge = Charge::BeyondBudget;
        }
        Completed {
            outcome: Outcome::Failed(error),
            displaced: None,
        }
    }

    fn fail(&mut self, error: E, now: Now, chance: f64) -> Completed<E> {
        count(&mut self.failures);
        self.losses = 0;
        let until = self.backoff.fail(now.mono, error.pause(), chance);
        let error = error.held_until(until);
        let current = self.current.as_mut();
        if let Some(suspicion) = current.and_then(|current| current.suspicion.as_mut()) {
            suspicion.renewal = SuspectRenewal::Failed;
        }
        Completed {
            displaced: self.last_error.replace(error.clone()),
            outcome: Outcome::Failed(error),
        }
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// For everything from the credentials provider to the last byte of the answer.
/// A token endpoint that takes longer is as good as down, and the callers'
/// own deadlines are commonly longer than this.
pub(in crate::cache) const DEADLINE: Duration = Duration::from_secs(10);

/// Fetches are this far apart where tokens live for less or are invalidated within
/// it, and background renewals where runtimes die: no server wants more.
const SECOND: Duration = Duration::from_secs(1);

/// As many restarts as one request may make.
pub(in crate::cache) const MAX_LOSSES: u32 = 3;
