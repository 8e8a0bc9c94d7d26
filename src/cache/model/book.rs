//! What the monitor keeps book of: the token in use, the fetch under way, and
//! what holds back the next one. Where the layer draws a random factor, the book
//! knows its range.

use super::Ms;
use super::flight::{Exchange, Flight, Stage, Why};
use super::held::{Charge, Held, Suspicion};
use super::wall::Wall;
use crate::ErrorKind;

#[derive(Debug)]
pub(super) struct Book {
    pub(super) held: Option<Held>,
    pub(super) generation: u32,
    pub(super) flight: Option<Flight>,
    /// The token that was invalidated last, or came all the same, until a good one has
    /// come of a fetch that knew.
    pub(super) dropped: Option<u32>,
    pub(super) invalidated: Vec<u32>,
    pub(super) wall: Wall,
    /// The endpoint backs off until an instant from here…
    pub(super) earliest: Ms,
    /// …to here.
    pub(super) latest: Ms,
    /// Tokens are of short life: none is fetched before.
    pub(super) short_lives: Ms,
    /// A renewal was lost: none is started in the background before.
    pub(super) lost_until: Ms,
    /// Fetches in a row that were lost, with no token to go on with.
    pub(super) losses: u32,
    pub(super) failed: Failed,
    /// The latest fetch failed.
    pub(super) is_failing: bool,
    pub(super) fetches: u64,
    pub(super) failures: u64,
    pub(super) rejections: u64,
    failures_in_a_row: usize,
    exchanges: u32,
    suspicions: u32,
    /// What the budget for rejections held, and when.
    budget: (Ms, Ms),
    /// The renewals beyond it, since there was one within.
    beyond: usize,
}

/// The last fetch that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) at: Ms,
    pub(super) kind: ErrorKind,
    pub(super) exchange: u32,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            held: None,
            generation: 0,
            flight: None,
            dropped: None,
            invalidated: Vec::new(),
            wall: Wall::new(),
            earliest: 0,
            latest: 0,
            short_lives: 0,
            lost_until: 0,
            losses: 0,
            failed: Failed {
                at: -1,
                kind: ErrorKind::Runtime,
                exchange: 0,
            },
            is_failing: false,
            fetches: 0,
            failures: 0,
            rejections: 0,
            failures_in_a_row: 0,
            exchanges: 0,
            suspicions: 0,
            budget: (3 * RENEWAL, 0),
            beyond: 0,
        }
    }

    /// The token that may be sent, by both clocks.
    pub(super) fn usable(&self, now: Ms) -> Option<&Held> {
        self.held
            .as_ref()
            .filter(|held| self.wall.is_alive(held, now))
    }

    pub(super) fn claimed(&mut self, now: Ms, why: Why) {
        let held = self.usable(now).map(|held| held.value);
        let suspect = self.held.as_ref().filter(|held| held.suspicion.is_some());
        self.flight = Some(Flight {
            claimed: now,
            rejected: self.dropped.or(suspect.map(|held| held.value)),
            held,
            stage: Stage::Claimed,
            replaces_invalidated: self.held.is_none()
                && self.dropped.is_some()
                && why == Why::Needed,
        });
        self.fetches += 1;
        let left = self.left(now);
        // Where it is needed for another reason, no rejection pays for it.
        let is_paid = held.is_some() && why == Why::Needed;
        let held = self.held.as_mut().filter(|_| is_paid);
        let suspicion = held.and_then(|held| held.suspicion.as_mut());
        if let Some(suspicion) = suspicion.filter(|suspicion| suspicion.due <= now) {
            match suspicion.charge {
                Charge::Within => (self.budget, self.beyond) = ((left - RENEWAL, now), 0),
                Charge::Beyond => self.beyond += 1,
                Charge::Paid => {}
            }
            suspicion.charge = Charge::Paid;
        }
    }

    /// What the budget holds: a renewal costs 300 s, and each second adds one.
    pub(super) fn left(&self, now: Ms) -> Ms {
        let (left, at) = self.budget;
        (left + now - at).min(3 * RENEWAL)
    }

    pub(super) fn called(&mut self, now: Ms) -> u32 {
        self.exchanges += 1;
        let exchange = Exchange {
            number: self.exchanges,
            called: now,
            wall: self.wall.ahead(),
        };
        let stage = &mut self.flight.as_mut().unwrap().stage;
        *stage = match stage {
            Stage::Outrun => Stage::CalledAgain(exchange),
            _ => Stage::Called(exchange),
        };
        self.exchanges
    }

    pub(super) fn brought(&mut self, now: Ms, value: u32, lifetime: Ms) {
        let flight = self.flight.as_mut().unwrap();
        let exchange = flight.exchange().unwrap();
        let mut next = Held {
            value,
            called: exchange.called,
            delivered: now,
            lifetime,
            suspicion: None,
            wall: exchange.wall,
            claimed: flight.claimed,
            replaces_invalidated: flight.replaces_invalidated,
            was_rejected: false,
        };
        if !self.wall.is_alive(&next, now) {
            let is_outrun = next.is_alive_by_monotonic_clock(now);
            if let (Stage::Called(_), true) = (flight.stage, is_outrun) {
                flight.stage = Stage::Outrun;
                return;
            }
            if self.invalidated.contains(&value) {
                self.dropped = Some(value);
            }
            return self.failed(now, 0, ErrorKind::InvalidToken);
        }
        if self.invalidated.contains(&value) {
            self.dropped = Some(value);
            return self.failed(now, 0, ErrorKind::InvalidToken);
        }
        let (number, told) = (exchange.number, flight.rejected);
        self.dropped.take_if(|dropped| told == Some(*dropped));
        self.flight = None;
        (self.earliest, self.latest, self.lost_until) = (now, now, now);
        self.losses = 0;
        (self.failures_in_a_row, self.is_failing) = (0, false);
        self.short_lives = if lifetime < 1000 {
            next.claimed + 1000
        } else {
            now
        };
        match self.held.take().filter(|held| held.value == value) {
            Some(same) => {
                next.was_rejected = same.was_rejected;
                if let Some(suspicion) = same.suspicion {
                    let kind = ErrorKind::InvalidToken;
                    next.suspicion = Some(Suspicion {
                        due: now + DELAYS[self.beyond.min(5)],
                        charge: Charge::Beyond,
                        failed: Some(kind),
                        ..suspicion
                    });
                    self.failures += 1;
                    self.failed = Failed {
                        at: now,
                        kind,
                        exchange: number,
                    };
                }
            }
            None => self.generation += 1,
        }
        self.held = Some(next);
    }

    pub(super) fn failed(&mut self, now: Ms, retry_after: Ms, kind: ErrorKind) {
        let flight = self.flight.take().unwrap();
        let exchange = flight.exchange().map_or(0, |exchange| exchange.number);
        self.failed = Failed {
            at: now,
            kind,
            exchange,
        };
        let (step, asked) = (
            DELAYS[self.failures_in_a_row.min(5)],
            retry_after.min(RENEWAL),
        );
        self.earliest = now + step.max(asked);
        self.latest = now + (step * 5 / 4).max(asked * 11 / 10);
        self.failures_in_a_row += 1;
        self.losses = 0;
        self.failures += 1;
        self.is_failing = true;
        let held = self.held.as_mut();
        if let Some(suspicion) = held.and_then(|held| held.suspicion.as_mut()) {
            suspicion.failed = Some(kind);
        }
    }

    pub(super) fn lost(&mut self, now: Ms) {
        self.flight = None;
        self.lost_until = now + 1000;
        self.losses += u32::from(self.usable(now).is_none());
        if self.losses > 3 {
            self.short_lives = now + 1000;
        }
    }

    /// The token in use is rejected.
    pub(super) fn rejected(&mut self, now: Ms) {
        let within = self.left(now) >= RENEWAL;
        let delay = DELAYS[self.beyond.min(5)];
        self.suspicions += 1;
        let held = self.held.as_mut().unwrap();
        self.rejections += u64::from(!held.was_rejected);
        held.was_rejected = true;
        held.suspicion = Some(Suspicion {
            number: self.suspicions,
            since: now,
            due: if within { now } else { now + delay },
            charge: if within {
                Charge::Within
            } else {
                Charge::Beyond
            },
            failed: None,
        });
    }

    pub(super) fn invalidated(&mut self, value: u32) {
        self.invalidated.push(value);
        let Some(held) = self.held.take_if(|held| held.value == value) else {
            return;
        };
        self.rejections += u64::from(!held.was_rejected);
        if held.replaces_invalidated {
            self.short_lives = held.claimed + 1000;
        }
        self.dropped = Some(value);
    }
}

/// For how long a failing endpoint is left alone, after so many failures, and a
/// token stays suspect beyond the budget, after so many such renewals.
const DELAYS: [Ms; 6] = [1000, 2000, 4000, 8000, 16_000, 24_000];

/// What a renewal costs the budget, and the longest `Retry-After`: five minutes.
const RENEWAL: Ms = 300_000;
