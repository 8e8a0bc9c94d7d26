//! The rules that the layer is held to. The monitor is told of what happens
//! around the layer, and knows nothing of what happens inside.

use std::collections::HashMap;

use super::book::{Book, Held, Ms, Standing};
use crate::{Error, ErrorKind};

/// Watches one run. Every event has its instant, in milliseconds.
#[derive(Debug)]
pub(super) struct Monitor {
    /// The first rule that was broken.
    pub(super) broken: Option<String>,
    book: Book,
    now: Ms,
    events: u64,
    /// The requests that wait for a token: since which instant and event.
    waiting: HashMap<u32, (Ms, u64)>,
    refreshing: u32,
    /// When somebody last wanted something.
    wanted: Ms,
    refresh_wanted: Ms,
    rejected_at: Ms,
    permitted_before: bool,
    /// An exchange must start before time passes.
    owed: bool,
    wall_set_back: u64,
}

/// An exchange may take so long.
const DEADLINE: Ms = 10_000;

impl Monitor {
    pub(super) fn new() -> Self {
        Self {
            broken: None,
            book: Book::new(),
            now: 0,
            events: 0,
            waiting: HashMap::new(),
            refreshing: 0,
            wanted: 0,
            refresh_wanted: -1,
            rejected_at: -1,
            permitted_before: false,
            owed: false,
            wall_set_back: 0,
        }
    }

    fn rule(&mut self, holds: bool, rule: &str) {
        if !holds && self.broken.is_none() {
            self.broken = Some(format!("{rule}, at {} ms: {:#?}", self.now, self.book));
        }
    }

    /// Something happens at `now`. Before time passes, all that can happen at
    /// an instant has happened.
    fn at(&mut self, now: Ms) {
        self.events += 1;
        if now > self.now {
            self.rule(!self.owed, "a renewal that is due starts at once");
            let nobody = self.waiting.is_empty() && self.refreshing == 0;
            let running = self.book.exchange.is_some();
            self.rule(nobody || running, "who waits, waits for an exchange");
            let since_set_back = |&(_, event): &(Ms, u64)| event > self.wall_set_back;
            let waits = self.waiting.values().any(since_set_back);
            let ready = self.book.ready(self.now);
            self.rule(!ready || !waits, "nobody waits while there is a token");
            self.now = now;
        }
        if let Some(exchange) = &self.book.exchange
            && now >= exchange.started + DEADLINE
        {
            let ended = exchange.started + DEADLINE;
            self.book.exchange_failed(ended, 0, ErrorKind::Timeout);
        }
    }

    pub(super) fn request_begins(&mut self, now: Ms, id: u32) {
        self.at(now);
        self.wanted = now;
        self.waiting.insert(id, (now, self.events));
    }

    pub(super) fn request_is_dropped(&mut self, now: Ms, id: u32) {
        self.at(now);
        self.waiting.remove(&id);
    }

    /// The request reached the API. Returns which token it carried.
    pub(super) fn request_is_sent(&mut self, now: Ms, id: u32, value: u32) -> u32 {
        self.at(now);
        let (since, _) = self.waiting.remove(&id).unwrap();
        self.rule(now - since <= DEADLINE, "nobody waits beyond the deadline");
        let book = &self.book;
        let invalidated = book.invalidated.contains(&value);
        let renewable = book.exchange.is_none() && book.held_back.latest <= now;
        let held = book.held.as_ref().filter(|held| held.value == value);
        let alive = held.is_some_and(|held| book.may_look_alive(held, now));
        let rejected = held.is_some_and(|held| held.standing == Standing::RejectedAndAwaited);
        let due = held.is_some_and(|held| {
            held.standing != Standing::Good || now - held.started >= held.lifetime * 8 / 10
        });
        let current = held.is_some();
        self.owed |= renewable && due;
        self.rule(!invalidated, "an invalidated token is never sent");
        self.rule(current, "the token in use is the one that is sent");
        self.rule(alive, "an expired token is never sent");
        self.rule(!rejected, "a rejected token awaits its renewal");
        self.book.generation
    }

    pub(super) fn request_fails(&mut self, now: Ms, id: u32, error: &Error) {
        self.at(now);
        let (since, _) = self.waiting.remove(&id).unwrap();
        let gave_up = now - since == DEADLINE;
        self.rule(now - since <= DEADLINE, "nobody waits beyond the deadline");
        let held = self.book.held.as_ref();
        let alive = held.is_some_and(|held| self.book.is_alive(held, now));
        let in_use = held.is_some() && self.book.ready(now);
        let excused = gave_up && !in_use;
        self.rule(!alive || excused, "no request fails while a token is valid");
        self.failure(now, error, gave_up);
    }

    /// What a failure says, and when it may be said.
    fn failure(&mut self, now: Ms, error: &Error, gave_up: bool) {
        let failed = &self.book.failed;
        let in_time = failed.at == now || now < self.book.held_back.latest;
        let shared = error.kind() == failed.kind;
        let text = std::error::Error::source(error).map(ToString::to_string);
        let same = text.is_none_or(|text| text == failure(failed.exchange));
        self.rule(in_time || gave_up, "failures end when exchanges may start");
        let gave_up = gave_up && error.kind() == ErrorKind::Timeout;
        self.rule(shared && same || gave_up, "all share the last failure");
    }

    pub(super) fn refresh_begins(&mut self, now: Ms) {
        self.at(now);
        (self.wanted, self.refresh_wanted) = (now, now);
        self.refreshing += 1;
    }

    /// A refresh ended: with a token, an error, or by being dropped.
    pub(super) fn refresh_ends(&mut self, now: Ms, since: Ms, result: Option<Result<u32, Error>>) {
        self.at(now);
        self.refreshing -= 1;
        match result {
            Some(Ok(value)) => {
                let held = self.book.held.as_ref();
                let new = held.is_some_and(|held| held.value == value && held.delivered >= since);
                self.rule(new, "a refresh returns the token that it fetched");
            }
            Some(Err(error)) => self.failure(now, &error, now - since == DEADLINE),
            None => {}
        }
    }

    /// The token service was called. Returns the exchange's number.
    pub(super) fn exchange_starts(&mut self, now: Ms, rejected: Option<u32>) -> u32 {
        self.at(now);
        let book = &self.book;
        let alone = book.exchange.is_none();
        // It may have been on its way when a token was rejected at this instant.
        let crossed = self.rejected_at == now;
        let permitted = book.held_back.earliest <= now;
        let spaced = permitted || crossed && self.permitted_before;
        let told = rejected == book.rejected || crossed;
        let due = book.held.as_ref().is_none_or(|held| {
            !book.is_alive(held, now)
                || held.standing != Standing::Good
                || book.age(held, now) >= held.lifetime * 6 / 10
        });
        let forced = self.refresh_wanted == now;
        let wanted = self.wanted == now;
        self.rule(alone, "at most one exchange is under way");
        self.rule(spaced, "exchanges that fail are spaced");
        self.rule(told, "the token service is told which token was rejected");
        self.rule(due || forced, "only what is due is renewed");
        self.rule(wanted, "nothing happens while idle");
        self.owed = false;
        self.book.exchange_starts(now)
    }

    pub(super) fn exchange_brings(&mut self, now: Ms, value: u32, lifetime: Ms) {
        self.at(now);
        self.wanted = now;
        self.book.exchange_brings(now, value, lifetime);
    }

    pub(super) fn exchange_fails(&mut self, now: Ms, retry_after: Ms, kind: ErrorKind) {
        self.at(now);
        self.book.exchange_failed(now, retry_after, kind);
    }

    /// The API answers 401 to a request that carried the token `generation`.
    pub(super) fn rejected(&mut self, now: Ms, generation: u32) {
        self.at(now);
        let book = &mut self.book;
        let current = book.generation == generation;
        let Some(mut held) = book.held.take_if(|_| current) else {
            return;
        };
        if book.is_alive(&held, now) && held.standing == Standing::Good {
            self.wanted = now;
            let crossed = self.rejected_at == now && self.permitted_before;
            self.permitted_before = crossed || book.held_back.earliest <= now;
            self.rejected_at = now;
            book.note_rejection(&held, now);
            book.rejected = Some(held.value);
            let permitted = book.held_back.latest <= now;
            self.owed |= permitted && book.exchange.is_none();
            held.standing = match permitted {
                true => Standing::RejectedAndAwaited,
                false if book.held_back.earliest <= now => Standing::RejectedEither,
                false => Standing::RejectedInUse,
            };
        }
        book.held = Some(held);
    }

    pub(super) fn invalidated(&mut self, now: Ms, value: u32) {
        self.at(now);
        let book = &mut self.book;
        book.invalidated.push(value);
        let Some(held) = book.held.take_if(|held| held.value == value) else {
            return;
        };
        let crossed = self.rejected_at == now && self.permitted_before;
        self.permitted_before = crossed || book.held_back.earliest <= now;
        self.rejected_at = now;
        if held.standing == Standing::Good {
            book.note_rejection(&held, now);
        }
        book.rejected = Some(value);
    }

    pub(super) fn wall_clock_is_set(&mut self, now: Ms, by: Ms) {
        self.at(now);
        if by < 0 {
            self.wall_set_back = self.events;
        }
        self.book.wall_clock_is_set(now, by);
    }

    pub(super) fn held(&self) -> Option<&Held> {
        self.book.held.as_ref()
    }
}

/// What the token service says where the nth exchange fails.
pub(super) fn failure(exchange: u32) -> String {
    format!("failure {exchange}")
}
