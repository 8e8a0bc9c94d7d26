//! The life of a token as a pure state machine: each decision is a function of
//! what happened and of two clocks, with no lock, no task and no I/O.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clock::Now;
use super::held::{Held, Standing, later};
use super::spacing::Spacing;
use crate::{Error, ErrorKind, Token};

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
    deadline: Duration,
    rng: fastrand::Rng,
}

/// An exchange under way.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) id: u64,
    pub(super) deadline: Instant,
    /// What [`TokenRequest::rejected`](crate::TokenRequest::rejected) is to say.
    pub(super) rejected: Option<Token>,
}

/// What a request does.
#[derive(Debug)]
pub(super) enum Decision {
    /// Send the held token. Barring events, that holds until `until`; where
    /// `renewal_due`, an exchange may be claimed beside it.
    Send { until: Instant, renewal_due: bool },
    /// Wait for the exchange under way, or claim one if there is none.
    Wait,
    /// Fail at once: exchanges are held back.
    Fail(Error),
}

/// What a rejection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Nothing: the token had been replaced or had expired already.
    Stale,
    /// A renewal, at once.
    Renews,
    /// A renewal later on: until then the same token goes out again.
    Spaced,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) fetches: u64,
    pub(super) failures: u64,
    pub(super) rejections: u64,
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
        let invalidated_again = self.invalidated.iter().any(|other| is(Some(other)));

        let short_lived = token.lifetime() < MIN_LIFETIME;
        let mut next = Held::new(token, started, self.rng.f64());
        if invalidated_again || !next.is_usable(now) {
            let text = if invalidated_again {
                INVALIDATED_AGAIN
            } else {
                EXPIRED_ON_ARRIVAL
            };
            return self.fail(id, invalid_token(text), now).map(Err);
        }
        self.flight = None;
        if !known {
            count(&mut self.generation);
        }
        next.after_rejection = self.rejected.is_some();
        if rejected_again {
            next.standing = Standing::RejectedInUse;
            self.spacing.fail(now.mono, invalid_token(REJECTED_AGAIN));
        } else if next.after_rejection {
            self.rejected = None;
            self.spacing.release();
        } else {
            self.spacing.reset();
        }
        if short_lived {
            self.spacing.pause(now.mono, invalid_token(SHORT_LIVED));
        }
        self.held = Some(next);
        Some(Ok(()))
    }

    /// The exchange `id` failed. Returns the error with the instant of the next
    /// attempt on it, or `None` where `id` is no longer the one under way.
    pub(super) fn fail(&mut self, id: u64, error: Error, now: Now) -> Option<Error> {
        self.flight.take_if(|flight| flight.id == id)?;
        count(&mut self.counts.failures);
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
        let error = self.fail(id, overdue(), now)?;
        Some((id, error))
    }

    /// The task of exchange `id` died. Those who wait may claim anew at once; a
    /// renewal that nobody waits for is paused with `error`, so that a runtime
    /// per request does not become an exchange per request.
    pub(super) fn lose(&mut self, id: u64, error: Error, now: Now) -> Option<()> {
        self.flight.take_if(|flight| flight.id == id)?;
        if matches!(self.decide(now), Decision::Send { .. }) {
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
        let held = self.held.take_if(|held| held.token.is_same_value(token));
        let Some(held) = held else {
            return false;
        };
        if held.standing == Standing::Good {
            self.note_rejection(&held, now);
        }
        self.rejected = Some(held.token.clone());
        if self.invalidated.len() >= MAX_INVALIDATED {
            self.invalidated.pop_front();
        }
        self.invalidated.push_back(held.token);
        true
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
            self.spacing.fail(now.mono, invalid_token(REJECTED_AGAIN));
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

/// The deadline of an exchange has passed.
pub(super) fn overdue() -> Error {
    Error::new(ErrorKind::Timeout, OVERDUE)
}

fn invalid_token(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidToken, text).transient(true)
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Tokens that live for less are asked for once a second at most.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// A rejected token older than this was good once.
const YOUNG: Duration = Duration::from_secs(60);

/// By the time so many more have been invalidated, one that comes back has long
/// expired: exchanges for them are spaced.
const MAX_INVALIDATED: usize = 16;

const OVERDUE: &str = "no token within the deadline: \
     check that the token endpoint can be reached and answers in time";
const EXPIRED_ON_ARRIVAL: &str =
    "the token had expired on arrival: check the token service's expiry and this machine's clock";
const INVALIDATED_AGAIN: &str =
    "the token service handed out the token that was invalidated: it must not cache that one";
const REJECTED_AGAIN: &str = "the API rejects the tokens that the token service hands out: \
     check that both belong to the same Fiskil environment";
const SHORT_LIVED: &str = "the token service hands out tokens that live for less than a second: let it return longer ones";
