//! The life of a token as a pure state machine: each decision is a function of
//! what happened and of two clocks, with no lock, no task and no I/O.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clock::Now;
use super::decision::{Claim, Counts, Decision, Rejection};
use super::failure;
use super::held::{Held, Standing, later};
use super::spacing::Spacing;
use crate::{Error, Token};

/// What is known of the token, and of the exchange under way.
#[derive(Debug)]
pub(super) struct Life {
    held: Option<Held>,
    flight: Option<Claim>,
    spacing: Spacing,
    /// The token that was rejected or invalidated last, until another value
    /// replaces it.
    rejected: Option<Token>,
    /// The tokens that the user invalidated, the latest ones: never to be sent
    /// again.
    invalidated: VecDeque<Token>,
    /// Numbers the values of the token.
    generation: u64,
    counts: Counts,
    /// Exchanges in a row that were lost.
    losses: u32,
    deadline: Duration,
    rng: fastrand::Rng,
}

impl Life {
    /// No token yet. An exchange may take `deadline`.
    pub(super) fn new(deadline: Duration, mut rng: fastrand::Rng) -> Self {
        Self {
            held: None,
            flight: None,
            spacing: Spacing::new(rng.fork()),
            rejected: None,
            invalidated: VecDeque::new(),
            generation: 0,
            counts: Counts::default(),
            losses: 0,
            deadline,
            rng,
        }
    }

    /// What a request does at `now`. An overdue exchange must have been
    /// [ended](Self::end_overdue) before.
    pub(super) fn decide(&self, now: Now) -> Decision {
        let hold = self.spacing.hold(now.mono);
        match self.usable(now) {
            Some(held) if held.standing != Standing::RejectedWaiting => Decision::Send {
                until: held.quiet_until(now, self.renewal_from(now)),
                renewal_due: held.is_renewal_due(now) && self.flight.is_none() && hold.is_none(),
            },
            _ => match hold {
                Some(hold) if self.flight.is_none() => Decision::Fail(hold.error.clone()),
                _ => Decision::Wait,
            },
        }
    }

    /// Starts an exchange, unless one is under way or held back.
    pub(super) fn claim(&mut self, now: Now) -> Option<Claim> {
        if self.flight.is_some() || self.spacing.hold(now.mono).is_some() {
            return None;
        }
        count(&mut self.counts.fetches);
        let claim = Claim {
            id: self.counts.fetches,
            deadline: later(now.mono, self.deadline),
            rejected: self.rejected.clone(),
            held: self.usable(now).map(|held| held.token.clone()),
        };
        self.flight = Some(claim.clone());
        Some(claim)
    }

    /// The exchange `id`, begun at `started`, brought `token`. `None` where it
    /// is no longer the one under way.
    pub(super) fn succeed(
        &mut self,
        id: u64,
        token: Token,
        started: Now,
        now: Now,
    ) -> Option<Result<(), Error>> {
        self.flight.as_ref().filter(|flight| flight.id == id)?;
        let is = |other: Option<&Token>| other.is_some_and(|other| other.is_same_value(&token));
        let held = self.held.as_ref().map(|held| &held.token);
        let (known, rejected_again) = (is(held), is(self.rejected.as_ref()));
        let invalidated_again = self.is_invalidated(&token);

        let short_lived = token.lifetime() < MIN_LIFETIME;
        let mut next = Held::new(token, started, self.rng.f64());
        if invalidated_again || !next.is_usable(now) {
            let error = if invalidated_again {
                failure::invalidated_again()
            } else {
                failure::expired_on_arrival()
            };
            return self.fail(id, error, now).map(Err);
        }
        self.flight = None;
        self.losses = 0;
        if !known {
            count(&mut self.generation);
        }
        next.after_rejection = self.rejected.is_some();
        if rejected_again {
            next.standing = Standing::RejectedInUse;
            self.spacing.fail(now.mono, failure::rejected_again());
        } else if next.after_rejection {
            self.rejected = None;
            self.spacing.release();
        } else {
            self.spacing.reset();
        }
        if short_lived {
            self.spacing.pause(now.mono, failure::short_lived());
        }
        self.held = Some(next);
        Some(Ok(()))
    }

    /// The exchange `id` failed. Returns the error with the instant of the next
    /// attempt on it, or `None` where `id` is no longer the one under way.
    pub(super) fn fail(&mut self, id: u64, error: Error, now: Now) -> Option<Error> {
        self.flight.take_if(|flight| flight.id == id)?;
        count(&mut self.counts.failures);
        self.losses = 0;
        if let Some(held) = &mut self.held
            && held.standing == Standing::RejectedWaiting
        {
            held.standing = Standing::RejectedInUse;
        }
        Some(self.spacing.fail(now.mono, error))
    }

    /// Ends the exchange whose deadline has passed, as a failure.
    pub(super) fn end_overdue(&mut self, now: Now) -> Option<(u64, Error)> {
        let flight = self.flight.as_ref();
        let id = flight.filter(|flight| flight.deadline <= now.mono)?.id;
        let error = self.fail(id, failure::overdue(), now)?;
        Some((id, error))
    }

    /// The task of exchange `id` died. Those who wait may claim anew at once, a
    /// few times; after that, and where nobody waits, exchanges are paused with
    /// `error`: a runtime per request must not become an exchange per request.
    pub(super) fn lose(&mut self, id: u64, error: Error, now: Now) -> Option<()> {
        self.flight.take_if(|flight| flight.id == id)?;
        self.losses = self.losses.saturating_add(1);
        if self.losses > MAX_LOSSES || matches!(self.decide(now), Decision::Send { .. }) {
            self.spacing.pause(now.mono, error);
        }
        Some(())
    }

    /// The API rejected the token of `generation`.
    pub(super) fn reject(&mut self, generation: u64, now: Now) -> Rejection {
        let current = self.generation == generation;
        let Some(mut held) = self.held.take_if(|held| current && held.is_usable(now)) else {
            return Rejection::Stale;
        };
        if held.standing == Standing::Good {
            self.rejected = Some(held.token.clone());
            self.note_rejection(&held, now);
            held.standing = match self.spacing.hold(now.mono) {
                None => Standing::RejectedWaiting,
                Some(_) => Standing::RejectedInUse,
            };
        }
        let renews = held.standing == Standing::RejectedWaiting;
        self.held = Some(held);
        if renews {
            Rejection::Renews
        } else {
            Rejection::Spaced
        }
    }

    /// The user says that `token` is dead: if it is the one held, it is dropped
    /// at once, whatever follows.
    pub(super) fn invalidate(&mut self, token: &Token, now: Now) -> bool {
        if !self.is_invalidated(token) {
            if self.invalidated.len() >= MAX_INVALIDATED {
                self.invalidated.pop_front();
            }
            self.invalidated.push_back(token.clone());
        }
        let held = self.held.take_if(|held| held.token.is_same_value(token));
        let Some(held) = held else {
            return false;
        };
        if held.standing == Standing::Good {
            self.note_rejection(&held, now);
        }
        self.rejected = Some(held.token);
        true
    }

    fn is_invalidated(&self, token: &Token) -> bool {
        self.invalidated
            .iter()
            .any(|other| other.is_same_value(token))
    }

    /// The first rejection is free. One of a young token that itself replaced a
    /// rejected one says that renewing does not help: it counts as a failure.
    fn note_rejection(&mut self, held: &Held, now: Now) {
        count(&mut self.counts.rejections);
        if held.age(now) >= YOUNG {
            if self.spacing.hold(now.mono).is_none() {
                self.spacing.reset();
            }
        } else if held.after_rejection {
            self.spacing.fail(now.mono, failure::rejected_again());
        }
    }

    /// The held token, unless it has expired.
    fn usable(&self, now: Now) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.is_usable(now))
    }

    /// The earliest instant at which a renewal may be claimed, if it is known.
    fn renewal_from(&self, now: Now) -> Option<Instant> {
        match &self.flight {
            Some(flight) => Some(flight.deadline),
            None => self.spacing.hold(now.mono).map(|hold| hold.until),
        }
    }

    pub(super) fn is_under_way(&self, id: u64) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.id == id)
    }

    /// The errors that are done with, to be dropped where no lock is held.
    pub(super) fn take_displaced(&mut self) -> Vec<Error> {
        self.spacing.take_displaced()
    }

    /// Why no exchange may start now.
    pub(super) fn held_back(&self, now: Now) -> Option<Error> {
        self.spacing.hold(now.mono).map(|hold| hold.error.clone())
    }

    /// The number of the value last received; 0 before the first.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The token last received, expired or not, unless it was invalidated.
    pub(super) fn token(&self) -> Option<&Token> {
        self.held.as_ref().map(|held| &held.token)
    }

    /// The time until the token's renewal is due, and until it is done with.
    pub(super) fn remaining(&self, now: Now) -> Option<(Duration, Duration)> {
        self.usable(now).map(|held| held.remaining(now))
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Tokens that live for less are asked for once a second at most.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// One request alone restarts so often, when runtimes shut down beneath it.
const MAX_LOSSES: u32 = 3;

/// A rejected token older than this was good once.
const YOUNG: Duration = Duration::from_secs(60);

/// By the time so many more have been invalidated, one that comes back has long
/// expired: exchanges for them are spaced.
const MAX_INVALIDATED: usize = 16;
