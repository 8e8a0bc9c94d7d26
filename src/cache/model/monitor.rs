//! The rules that the layer is held to. The monitor is told of what happens
//! around the layer, and of the inside knows only how many fetches it counts.

mod answers;

use super::Ms;
use super::book::Book;
use super::flight::{Stage, Why};
use super::held::{Held, Suspicion};
use super::waits::{DEADLINE, Waits, Who, is_awaited};
use crate::{ErrorKind, Status};

/// Watches one run. Every event has its instant, in milliseconds.
#[derive(Debug)]
pub(super) struct Monitor {
    /// The first rule that was broken.
    pub(super) broken: Option<String>,
    pub(super) waits: Waits,
    book: Book,
    now: Ms,
    /// When somebody last wanted something.
    wanted: Ms,
    /// Somebody wants another token, and has just begun to ask.
    forces: bool,
    /// A renewal must have been claimed by the next event.
    owed: bool,
}

/// What the API knows of a request that it has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    pub(super) generation: u32,
    suspicion: Option<u32>,
}

impl Monitor {
    pub(super) fn new() -> Self {
        Self {
            broken: None,
            waits: Waits::default(),
            book: Book::new(),
            now: 0,
            wanted: 0,
            forces: false,
            owed: false,
        }
    }

    fn rule(&mut self, holds: bool, rule: &str) {
        if !holds && self.broken.is_none() {
            self.broken = Some(format!(
                "{rule}, at {} ms: {:#?} {:#?}",
                self.now, self.book, self.waits
            ));
        }
    }

    /// Something happens at `now`, when the layer has counted so many fetches.
    /// Must come before anything is noted of it.
    pub(super) fn at(&mut self, now: Ms, fetches: u64) {
        let flight = self.book.flight.as_ref();
        let deadline = flight.map(|flight| flight.claimed + DEADLINE);
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
            self.pass(deadline);
            self.book.failed(deadline, 0, ErrorKind::Timeout);
            self.waits.fetch_ended();
        }
        self.pass(now);
        if fetches > self.book.fetches {
            self.claimed();
        }
        let is_owed = self.owed && self.book.flight.is_none();
        self.rule(!is_owed, "a renewal that is due starts at once");
        let is_counted = fetches == self.book.fetches;
        self.rule(is_counted, "a fetch at a time");
        (self.owed, self.forces) = (false, false);
        self.waits.ask(&self.book, now);
    }

    /// Before time passes, all that can happen at an instant has happened.
    fn pass(&mut self, now: Ms) {
        if now > self.now {
            let broken = self.waits.pass(&self.book, self.now, now);
            self.rule(broken.is_none(), broken.unwrap_or_default());
            self.now = now;
        }
    }

    /// The layer has claimed a fetch, since the last event.
    fn claimed(&mut self) {
        let (now, book) = (self.now, &self.book);
        let held = book.usable(now);
        let suspicion = held.and_then(|held| held.suspicion);
        let is_suspect = suspicion.is_some_and(|suspicion| suspicion.due <= now);
        let is_due = held
            .is_none_or(|held| is_suspect || book.wall.age(held, now) >= held.lifetime * 6 / 10);
        // Somebody may be waiting for it.
        let is_open = suspicion.is_some_and(|suspicion| suspicion.failed.is_none());
        let is_background = held.is_some() && !is_open && !self.forces;
        let alone = book.flight.is_none();
        let is_kept = book.earliest <= now && book.short_lives <= now;
        let is_kept_after_a_loss = !is_background || book.lost_until <= now;
        let wanted = self.wanted == now || self.waits.is_any();
        self.rule(alone, "at most one fetch is under way");
        self.rule(is_kept, "fetches that fail are spaced");
        self.rule(is_kept_after_a_loss, "a loss pauses background renewals");
        self.rule(is_due || self.forces, "only what is due is renewed");
        self.rule(wanted, "nothing happens while idle");
        let why = if self.forces {
            Why::Forced
        } else {
            Why::Needed
        };
        self.book.claimed(now, why);
        let is_within = self.book.left(now) >= 0;
        self.rule(is_within, "rejections have a budget");
    }

    pub(super) fn begins(&mut self, id: u32, who: Who) {
        self.wanted = self.now;
        self.forces = who == Who::Refresh;
        self.waits.begin(id, who, self.now);
    }

    /// The request reached the API.
    pub(super) fn request_is_sent(&mut self, id: u32, value: u32) -> Carried {
        let (book, now) = (&self.book, self.now);
        let invalidated = book.invalidated.contains(&value);
        let held = book.held.as_ref().filter(|held| held.value == value);
        let is_alive = held.is_some_and(|held| book.wall.may_look_alive(held, now));
        let current = held.is_some();
        let suspicion = held.and_then(|held| held.suspicion);
        let is_awaited = suspicion.is_some_and(|suspicion| self.is_renewal_awaited(&suspicion));
        let is_renewed = self.is_renewed();
        self.rule(!invalidated, "an invalidated token is never sent");
        self.rule(current, "the token in use is the one that is sent");
        self.rule(is_alive, "an expired token is never sent");
        // Nobody waits for a second fetch, nor beyond the deadline.
        let has_waited = self.waits.end(id).is_over(now) || self.book.failed.at == now;
        self.rule(
            !is_awaited || has_waited,
            "a rejected token awaits its renewal",
        );
        self.rule(is_renewed, "what is due is renewed when a request is sent");
        Carried {
            generation: self.book.generation,
            suspicion: suspicion.map(|suspicion| suspicion.number),
        }
    }

    fn is_renewal_awaited(&self, suspicion: &Suspicion) -> bool {
        let book = &self.book;
        let in_time = self.now < suspicion.since + 1000;
        is_awaited(suspicion) && in_time && (book.flight.is_some() || self.is_free())
    }

    /// Whether nothing, with certainty, holds back a fetch.
    fn is_free(&self) -> bool {
        self.book.latest <= self.now && self.book.short_lives <= self.now
    }

    /// Whether the renewal of a token that is due, with certainty, is under way.
    fn is_renewed(&self) -> bool {
        let (book, now) = (&self.book, self.now);
        let is_due = book.usable(now).is_some_and(|held| {
            let suspicion = held.suspicion.as_ref();
            now - held.called >= held.lifetime * 8 / 10
                || suspicion.is_some_and(|suspicion| suspicion.due <= now)
        });
        let is_free = self.is_free() && book.lost_until <= now;
        !is_due || !is_free || book.flight.is_some()
    }

    /// The token service is called, and told of these tokens. Returns the
    /// exchange's number.
    pub(super) fn exchange_starts(&mut self, rejected: Option<u32>, held: Option<u32>) -> u32 {
        let flight = self.book.flight.as_ref();
        let told = flight.is_some_and(|flight| (flight.rejected, flight.held) == (rejected, held));
        let at_once = flight.is_some_and(|flight| match flight.stage {
            Stage::Claimed => flight.claimed == self.now,
            Stage::Outrun => true,
            Stage::Called(_) | Stage::CalledAgain(_) => false,
        });
        self.rule(
            told,
            "the token service is told which token was rejected, and which is held",
        );
        self.rule(at_once, "a fetch calls the token service, once and at once");
        if self.book.flight.is_none() {
            self.book.claimed(self.now, Why::Needed);
        }
        self.book.called(self.now)
    }

    pub(super) fn exchange_brings(&mut self, value: u32, lifetime: Ms) {
        self.wanted = self.now;
        self.book.brought(self.now, value, lifetime);
        if self.book.flight.is_none() {
            self.waits.fetch_ended();
        }
    }

    pub(super) fn exchange_fails(&mut self, retry_after: Ms, kind: ErrorKind) {
        self.book.failed(self.now, retry_after, kind);
        self.waits.fetch_ended();
    }

    /// The future of an exchange was dropped before its end.
    pub(super) fn exchange_is_dropped(&mut self, number: u32) {
        let flight = self.book.flight.as_ref();
        let exchange = flight.and_then(|flight| flight.exchange());
        if exchange.is_some_and(|exchange| exchange.number == number) {
            self.book.lost(self.now);
            self.waits.fetch_was_lost();
        }
    }

    /// Whether the fetch under way is one that the token service was called for.
    pub(super) fn is_fetching_again(&self) -> bool {
        let flight = self.book.flight.as_ref();
        flight.is_some_and(|flight| matches!(flight.stage, Stage::CalledAgain(_)))
    }

    /// The API answers 401 to a request that carried the token `generation`.
    pub(super) fn rejected(&mut self, generation: u32) {
        self.wanted = self.now;
        let held = self.book.usable(self.now);
        let is_good = held.is_some_and(|held| held.suspicion.is_none());
        if self.book.generation == generation && is_good {
            self.book.rejected(self.now);
            self.owed = !self.is_renewed();
        }
    }

    /// The API lets a request in.
    pub(super) fn accepted(&mut self, carried: Carried) {
        let held = self.book.held.as_mut();
        let held = held.filter(|_| self.book.generation == carried.generation);
        if let Some(held) = held {
            let cleared = held
                .suspicion
                .take_if(|suspicion| Some(suspicion.number) == carried.suspicion);
            if cleared.is_some() {
                self.waits.cleared(carried.generation);
            }
        }
    }

    pub(super) fn invalidated(&mut self, value: u32) {
        self.book.invalidated(value);
    }

    pub(super) fn wall_clock_is_set(&mut self, by: Ms) {
        self.book.wall.set(self.now, by);
    }

    pub(super) fn held(&self) -> Option<&Held> {
        self.book.held.as_ref()
    }

    pub(super) fn generation(&self) -> u32 {
        self.book.generation
    }

    /// What the layer tells of itself.
    pub(super) fn status(&mut self, status: &Status) {
        let book = &self.book;
        let suspicion = book.usable(self.now).and_then(|held| held.suspicion);
        let has_failed = suspicion.is_some_and(|suspicion| suspicion.failed.is_some());
        let is_failing = book.is_failing || has_failed;
        let counts = (status.fetches, status.failures, status.rejections);
        let is_counted = counts == (book.fetches, book.failures, book.rejections);
        self.rule(status.suspect == suspicion.is_some(), "a suspicion is told");
        self.rule(
            status.last_error.is_some() == is_failing,
            "the last error is told",
        );
        self.rule(is_counted, "all is counted");
    }
}

/// What the token service says where the nth exchange fails.
pub(super) fn failure(exchange: u32) -> String {
    format!("failure {exchange}")
}
