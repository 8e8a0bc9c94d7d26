//! What the rules need to know of what happened: kept apart from the core, and
//! in other terms where there are any.

use std::time::{Duration, Instant};

use super::super::fake::{FakeError, FakeToken};
use super::super::now::{Now, later};
use super::super::step::{Ask, Claim, Ending, Outcome, Reason};
use super::held::{Charge, Held, Suspected, Suspicion};
use super::world::{TOO_LONG, Verdict, rule};

#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) token: Option<Held>,
    pub(super) generation: u32,
    pub(super) issued: u32,
    pub(super) flight: Option<Claim<FakeToken>>,
    pub(super) invalidated: Vec<u32>,
    /// The token that was invalidated last, or came all the same, until a good one has
    /// come of a fetch that knew.
    pub(super) dropped: Option<FakeToken>,
    /// The suspicion before the one that there is, if there is one.
    pub(super) earlier: Option<Suspected>,
    pub(super) backoff: Range,
    pub(super) short_lives: Instant,
    pub(super) lost: Instant,
    pub(super) is_failing: bool,
    pub(super) fetches: u64,
    pub(super) failures: u64,
    pub(super) rejections: u64,
    failures_in_a_row: usize,
    /// What the budget holds: a renewal is worth 300 s, and each second adds one.
    budget: (Duration, Instant),
    beyond: usize,
}

/// Fetches are held back until an instant in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) earliest: Instant,
    pub(super) latest: Instant,
}

impl Book {
    pub(super) fn new(now: Now) -> Self {
        Self {
            token: None,
            generation: 0,
            issued: 0,
            flight: None,
            invalidated: Vec::new(),
            dropped: None,
            earlier: None,
            backoff: Range::ended(now.mono),
            short_lives: now.mono,
            lost: now.mono,
            is_failing: false,
            fetches: 0,
            failures: 0,
            rejections: 0,
            failures_in_a_row: 0,
            budget: (3 * RENEWAL, now.mono),
            beyond: 0,
        }
    }

    /// The token that may be sent.
    pub(super) fn usable(&self, now: Now) -> Option<&Held> {
        self.token.as_ref().filter(|held| held.is_usable(now))
    }

    pub(super) fn suspected(&self, now: Now) -> Option<Suspected> {
        let suspicion = self.usable(now)?.suspicion.as_ref();
        suspicion.map(|suspicion| suspicion.which)
    }

    pub(super) fn claimed(&mut self, claim: Claim<FakeToken>, ask: Ask, now: Now) -> Verdict {
        rule(self.flight.is_none(), "one fetch at a time")?;
        rule(
            claim.deadline == now.mono + Duration::from_secs(10),
            "a fetch may take ten seconds",
        )?;
        rule(
            claim.generation == self.generation + 1,
            "tokens are numbered in order",
        )?;
        let held = self.usable(now).map(|held| held.token);
        rule(claim.held == held, "a fetch knows the token in use")?;
        let suspect = self.token.as_ref().filter(|held| held.suspicion.is_some());
        let rejected = self.dropped.or(suspect.map(|held| held.token));
        rule(
            claim.rejected == rejected,
            "a fetch knows which token was rejected",
        )?;
        rule(
            (ask == Ask::Refresh) == (claim.reason == Reason::Forced),
            "a fetch is forced where somebody wants another token",
        )?;
        if claim.reason == Reason::Rejected {
            self.renews_rejected(now)?;
        }
        self.fetches += 1;
        self.flight = Some(claim);
        Ok(())
    }

    /// Takes a renewal that a rejection asked for off the budget.
    fn renews_rejected(&mut self, now: Now) -> Verdict {
        let left = self.budget_at(now.mono);
        let held = self.token.as_mut();
        let suspicion = held.and_then(|held| held.suspicion.as_mut());
        let suspicion = suspicion.ok_or("a renewal is for a suspect token")?;
        rule(
            suspicion.due <= now.mono,
            "beyond the budget, a token stays suspect for a while",
        )?;
        match suspicion.charge {
            Charge::Within => {
                let rest = left.checked_sub(RENEWAL);
                let rest = rest.ok_or("renewals keep to the budget")?;
                self.budget = (rest, now.mono);
                self.beyond = 0;
            }
            Charge::Beyond => self.beyond += 1,
            Charge::Paid => {}
        }
        suspicion.charge = Charge::Paid;
        Ok(())
    }

    fn budget_at(&self, now: Instant) -> Duration {
        let (left, at) = self.budget;
        (left + now.duration_since(at)).min(3 * RENEWAL)
    }

    /// The fetch ends so. Returns how that is to be told.
    pub(super) fn ended(
        &mut self,
        claim: &Claim<FakeToken>,
        ending: &Ending<FakeToken, FakeError>,
        now: Now,
    ) -> Outcome<()> {
        let (token, called_at) = match *ending {
            Ending::Token(token, called_at) => (token, called_at),
            Ending::Failed(error) => {
                let pause = error.pause.map(|_| TOO_LONG);
                return self.failed(pause.unwrap_or_default(), now);
            }
            Ending::Lost => {
                self.lost = later(now.mono, SECOND);
                return Outcome::Lost;
            }
        };
        let mut held = Held {
            token,
            called_at,
            suspicion: None,
            claimed_at: claim.claimed_at.mono,
            reason: claim.reason,
            was_rejected: false,
        };
        if self.invalidated.contains(&token.number) {
            self.dropped = Some(token);
            return self.failed(Duration::ZERO, now);
        }
        if !held.is_usable(now) {
            return self.failed(Duration::ZERO, now);
        }
        self.dropped
            .take_if(|dropped| claim.rejected == Some(*dropped));
        self.backoff = Range::ended(now.mono);
        (self.failures_in_a_row, self.is_failing) = (0, false);
        self.lost = now.mono;
        self.short_lives = match token.lifetime < SECOND {
            true => later(claim.claimed_at.mono, SECOND),
            false => now.mono,
        };
        let mut outcome = Outcome::Token;
        match self.token.take() {
            Some(before) if before.token.number == token.number => {
                held.was_rejected = before.was_rejected;
                held.suspicion = before.suspicion.map(|suspicion| Suspicion {
                    due: later(now.mono, delay(self.beyond)),
                    charge: Charge::Beyond,
                    has_failed: true,
                    ..suspicion
                });
                if held.suspicion.is_some() {
                    self.failures += 1;
                    outcome = Outcome::Failed(());
                }
            }
            before => {
                self.note_end(before.as_ref());
                self.generation += 1;
            }
        }
        self.token = Some(held);
        outcome
    }

    /// The fetch failed, and asked for such a pause.
    pub(super) fn failed(&mut self, asked: Duration, now: Now) -> Outcome<()> {
        self.flight = None;
        let (step, asked) = (delay(self.failures_in_a_row), asked.min(RENEWAL));
        self.backoff = Range {
            earliest: now.mono + step.max(asked),
            latest: now.mono + (step * 5 / 4).max(asked * 11 / 10),
        };
        self.failures_in_a_row += 1;
        self.failures += 1;
        self.is_failing = true;
        let held = self.token.as_mut();
        if let Some(suspicion) = held.and_then(|held| held.suspicion.as_mut()) {
            suspicion.has_failed = true;
        }
        Outcome::Failed(())
    }

    /// The token in use is suspect from here on.
    pub(super) fn reject(&mut self, which: Suspected, now: Now) {
        let is_within = self.budget_at(now.mono) >= RENEWAL;
        let (charge, wait) = match is_within {
            true => (Charge::Within, Duration::ZERO),
            false => (Charge::Beyond, delay(self.beyond)),
        };
        let held = self.token.as_mut().unwrap();
        self.rejections += u64::from(!held.was_rejected);
        held.was_rejected = true;
        held.suspicion = Some(Suspicion {
            which,
            since: now.mono,
            due: now.mono + wait,
            charge,
            has_failed: false,
        });
    }

    /// The token in use is good.
    pub(super) fn clear(&mut self) {
        self.note_end(self.token.clone().as_ref());
        self.token.as_mut().unwrap().suspicion = None;
    }

    /// If `held` was suspect, that is over.
    fn note_end(&mut self, held: Option<&Held>) {
        let suspicion = held.and_then(|held| held.suspicion);
        self.earlier = suspicion.map(|suspicion| suspicion.which).or(self.earlier);
    }

    pub(super) fn invalidate(&mut self) {
        let held = self.token.take().unwrap();
        self.note_end(Some(&held));
        self.invalidated.push(held.token.number);
        self.rejections += u64::from(!held.was_rejected);
        if held.reason == Reason::Invalidated {
            self.short_lives = later(held.claimed_at, SECOND);
        }
        self.dropped = Some(held.token);
    }
}

impl Range {
    fn ended(at: Instant) -> Self {
        Self {
            earliest: at,
            latest: at,
        }
    }
}

/// After so many that did not help.
fn delay(n: usize) -> Duration {
    Duration::from_secs([1, 2, 4, 8, 16, 24][n.min(5)])
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A renewal is worth five minutes, which is also the longest pause that an error
/// may ask for.
const RENEWAL: Duration = Duration::from_secs(300);
