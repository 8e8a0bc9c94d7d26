//! The state that all handles of one layer share: the token's life under a
//! lock, and what is published of it.
//!
//! Under the lock runs no foreign code, nor anything that waits. Wakers,
//! subscribers and the sources of errors are foreign code; so is what is dropped
//! of them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::Status;
use super::clock::Clock;
use super::core::{
    Ask, Ending, Evidence, InFlight, Life, Now, Outcome, Rejection, Resend, Step, Suspect, Usable,
};
use super::fetcher::Fetcher;
use super::flight::Flight;
use super::mark::{Bearer, Mark};
use super::registry::{Entry, Reports};
use super::report::{self, Report};
use super::shards::{Own, Published, Shards};
use super::sync::{Mutex, MutexGuard};
use crate::{Error, Token};

/// What all handles of one layer share.
pub(crate) struct Shared {
    pub(super) clock: Clock,
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) waiting: AtomicUsize,
    published: Published,
    state: Mutex<State>,
    this: Weak<Self>,
    entry: Entry,
}

#[derive(Debug)]
struct State {
    life: Life<Token, Error, Arc<Flight>>,
    /// `life`'s token, as requests carry it.
    shards: Option<Shards>,
}

impl Shared {
    pub(super) fn new(fetcher: Fetcher) -> Arc<Self> {
        let state = State {
            life: Life::new(),
            shards: None,
        };
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            clock: Clock::new(),
            fetcher: Arc::new(fetcher),
            waiting: AtomicUsize::new(0),
            published: Published::default(),
            state: Mutex::new(state),
            this: this.clone(),
            entry: Entry::new(this.clone()),
        })
    }

    /// The token that a service holds on to, if it may be sent without asking: the
    /// hot path.
    #[inline]
    pub(super) fn fresh_own(&self, own: &Own) -> Option<Bearer> {
        own.fresh(&self.clock)
    }

    /// The token, if it may be sent without asking. `own` holds on to it.
    #[inline]
    pub(super) fn fresh(&self, own: &mut Own) -> Option<Bearer> {
        self.published.fresh(&self.clock, own)
    }

    /// What whoever asks does next. An overdue flight must have been
    /// [ended](Self::end_overdue) before.
    pub(super) fn step(&self, ask: Ask) -> Step<Token, Error, Arc<Flight>> {
        let (state, now) = self.lock();
        state.life.step(ask, now)
    }

    /// The token in use, also where requests wait for its renewal.
    pub(super) fn in_use(&self) -> Option<Usable<Token>> {
        let (state, now) = self.lock();
        state.life.in_use(now)
    }

    /// What a request remembers that carries this token.
    pub(super) fn mark(&self, usable: &Usable<Token>) -> Mark {
        Mark::new(self.entry.id(), usable.generation, usable.suspect)
    }

    pub(super) fn status(&self) -> Status {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let exchanges = self.fetcher.exchanges();
        let (state, now) = self.lock();
        Status::new(state.life.snapshot(now), exchanges, waiting)
    }

    /// The token last received by its number, and the suspicion that it is under.
    pub(super) fn standing(&self) -> (u32, Option<Suspect>) {
        let state = self.state.lock();
        (state.life.generation(), state.life.suspect())
    }

    pub(super) fn generation(&self) -> u32 {
        self.state.lock().life.generation()
    }

    pub(super) fn this(&self) -> Weak<Self> {
        self.this.clone()
    }

    /// Publishes until when requests may send the token without asking.
    pub(super) fn publish_limit(&self) {
        let (state, now) = self.lock();
        state.publish_limit(&self.clock, now);
    }

    /// Ends the flight if it is overdue: its own runtime, which should have done
    /// so, may be stalled.
    pub(super) fn end_overdue(&self) {
        let (mut state, now) = self.lock();
        let Some((flight, completed)) = state.life.end_overdue(now, fastrand::f64()) else {
            return;
        };
        self.publish(&mut state, now);
        let generation = state.life.generation();
        drop(state);
        flight.complete(completed.outcome.clone());
        flight.abort();
        // Reported here: the task that would do it is aborted, or stalled.
        let report = Report {
            reason: flight.claim.reason,
            took: now.since(flight.claimed_at()),
            lifetime: None,
            source: None,
            generation,
        };
        flight
            .span()
            .in_scope(|| report.emit(Some(&completed.outcome)));
    }

    /// Claims a fetch, unless one is under way, held back or not needed. The
    /// caller must [launch](Self::launch) it.
    pub(super) fn claim(&self, ask: Ask) -> Option<Arc<Flight>> {
        let (mut state, now) = self.lock();
        let launch = |claim| Arc::new(Flight::new(claim));
        let flight = state.life.claim(ask, now, launch)?;
        // The renewal is under way: requests need not ask about it any more.
        state.publish_limit(&self.clock, now);
        Some(flight)
    }

    /// The fetch ended. Returns how, unless it was overdue and has been given up.
    pub(super) fn complete(
        &self,
        flight: &Arc<Flight>,
        ending: Ending<Token, Error>,
    ) -> Option<Outcome<Error>> {
        let (mut state, now) = self.lock();
        let completed = state
            .life
            .complete(flight.id(), ending, now, fastrand::f64());
        self.publish(&mut state, now);
        drop(state);
        match completed {
            Ok(completed) => {
                // Wakes those who wait before it drops anything: that runs foreign code.
                flight.complete(completed.outcome.clone());
                drop(completed.displaced);
                Some(completed.outcome)
            }
            Err(_) => None,
        }
    }

    /// Somebody saw the API reject `token`.
    pub(super) fn report_rejected(&self, token: &Token) {
        let generation = self.state.lock().life.generation_of(token);
        if let Some(generation) = generation {
            self.reject(generation);
        }
    }

    pub(super) fn invalidate(&self, token: &Token) {
        let (mut state, now) = self.lock();
        state.life.invalidate(token);
        self.publish(&mut state, now);
    }

    /// Makes what requests read agree with the token's life, after a change.
    fn publish(&self, state: &mut State, now: Now) {
        let life = &state.life;
        let mark = Mark::new(self.entry.id(), life.generation(), None);
        let is_current = |shards: &Shards| life.token().is_some() && shards.mark() == mark;
        if !state.shards.as_ref().is_some_and(is_current) {
            let next = life.token().map(|token| Shards::new(token, mark));
            // Services that kept the old one must ask, too.
            if let Some(old) = std::mem::replace(&mut state.shards, next) {
                old.set_fresh_until(0);
            }
            self.published.replace(state.shards.as_ref());
        }
        state.publish_limit(&self.clock, now);
    }

    /// The clocks are read under the lock, so that they never run backwards for
    /// the state.
    fn lock(&self) -> (MutexGuard<'_, State>, Now) {
        let state = self.state.lock();
        let now = self.clock.now();
        (state, now)
    }
}

impl Reports for Shared {
    fn reject(&self, generation: u32) -> Resend {
        let (mut state, now) = self.lock();
        let rejection = state.life.reject(generation, now);
        state.publish_limit(&self.clock, now);
        let age = state.life.age(now).unwrap_or_default();
        let snapshot = state.life.snapshot(now);
        let resend = state.life.resend(generation, now);
        drop(state);
        match rejection {
            Rejection::First => report::rejected(&snapshot, age),
            Rejection::Again => {}
            Rejection::Known | Rejection::Stale => return resend,
        }
        self.renew();
        resend
    }

    fn clear(&self, generation: u32, suspect: Suspect) {
        let (mut state, now) = self.lock();
        let evidence = state.life.clear(generation, suspect);
        state.publish_limit(&self.clock, now);
        drop(state);
        if evidence == Evidence::First {
            report::cleared(generation);
        }
    }

    fn renew(&self) {
        Shared::renew(self);
    }
}

impl State {
    fn publish_limit(&self, clock: &Clock, now: Now) {
        if let Some(shards) = &self.shards {
            let until = self.life.fresh_until(now);
            shards.set_fresh_until(until.map_or(0, |until| clock.ticks(until)));
        }
    }
}

impl fmt::Debug for Shared {
    /// Its status, so that the lock is not held while it is written. Without the
    /// error, whose sources may be anything, this cache included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = Status {
            last_error: None,
            ..self.status()
        };
        status.fmt(f)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The last handle is gone: nobody wants the token any more.
        if let Some(flight) = self.state.get_mut().life.flight() {
            flight.abort();
        }
    }
}
