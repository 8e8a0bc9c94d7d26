//! Who waits for a token, for what, and until when at most.

use std::collections::HashMap;

use super::Ms;
use super::book::Book;
use super::held::{Charge, Suspicion};

/// Those who wait, by number.
#[derive(Debug, Default)]
pub(super) struct Waits {
    waits: HashMap<u32, Wait>,
}

#[derive(Debug)]
pub(super) struct Wait {
    pub(super) since: Ms,
    pub(super) lost: u32,
    who: Who,
    stage: Stage,
    /// The token that was cleared while it waited, by its number.
    cleared: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Request,
    Probe,
    Refresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is about to ask.
    Asking,
    /// It has waited, and is about to ask again.
    Woken,
    /// It waits for the end of the fetch, or that instant.
    Joined(Ms),
    /// It waits for that instant.
    Paused(Ms),
}

impl Waits {
    pub(super) fn begin(&mut self, id: u32, who: Who, now: Ms) {
        let wait = Wait {
            since: now,
            lost: 0,
            who,
            stage: Stage::Asking,
            cleared: None,
        };
        self.waits.insert(id, wait);
    }

    pub(super) fn end(&mut self, id: u32) -> Wait {
        self.waits.remove(&id).unwrap()
    }

    /// Whoever it was asks no more, or has been sent already.
    pub(super) fn forget(&mut self, id: u32) {
        self.waits.remove(&id);
    }

    pub(super) fn is_any(&self) -> bool {
        !self.waits.is_empty()
    }

    pub(super) fn is_any_refresh(&self) -> bool {
        self.waits.values().any(|wait| wait.who == Who::Refresh)
    }

    /// The fetch that was under way has ended.
    pub(super) fn fetch_ended(&mut self) {
        for wait in self.waits.values_mut() {
            if let Stage::Joined(_) = wait.stage {
                wait.stage = Stage::Woken;
            }
        }
    }

    pub(super) fn fetch_was_lost(&mut self) {
        for wait in self.waits.values_mut() {
            if let Stage::Joined(_) = wait.stage {
                wait.lost += 1;
            }
        }
        self.fetch_ended();
    }

    /// The token of `generation`, which was suspect, is so no more.
    pub(super) fn cleared(&mut self, generation: u32) {
        for wait in self.waits.values_mut() {
            if wait.stage != Stage::Asking {
                wait.cleared = Some(generation);
            }
        }
    }

    /// Those who were about to ask have asked, if that made them wait.
    pub(super) fn ask(&mut self, book: &Book, at: Ms) {
        for wait in self.waits.values_mut() {
            if wait.stage.until().is_none_or(|until| until <= at) {
                if let Some(stage) = wait.next_stage(book, at) {
                    wait.stage = stage;
                }
            }
        }
    }

    /// All that could happen at `from` has happened, and nothing does until `to`.
    /// Returns which rule that breaks.
    pub(super) fn pass(&mut self, book: &Book, from: Ms, to: Ms) -> Option<&'static str> {
        for wait in self.waits.values_mut() {
            let mut at = from;
            loop {
                match wait.stage.until().filter(|until| *until > at) {
                    Some(until) if until >= to => break,
                    Some(until) => at = until,
                    None => match wait.next_stage(book, at) {
                        Some(stage) => wait.stage = stage,
                        None => return Some("nobody waits who need not"),
                    },
                }
            }
            if wait.since + DEADLINE < to {
                return Some("nobody waits beyond the deadline");
            }
        }
        None
    }
}

impl Stage {
    fn until(self) -> Option<Ms> {
        match self {
            Self::Asking | Self::Woken => None,
            Self::Joined(until) | Self::Paused(until) => Some(until),
        }
    }
}

impl Wait {
    /// Whether it has seen the token in use cleared: then that is good enough,
    /// whatever the next suspicion is.
    pub(super) fn trusts(&self, book: &Book) -> bool {
        self.cleared == Some(book.generation)
    }

    fn next_stage(&self, book: &Book, at: Ms) -> Option<Stage> {
        match self.who {
            Who::Probe if self.trusts(book) => stage(Who::Request, book, at),
            who => stage(who, book, at),
        }
    }

    /// Whether it can't go on.
    pub(super) fn is_over(&self, now: Ms) -> bool {
        now == self.since + DEADLINE || self.lost > 3
    }
}

/// What `who` waits for at `at`, if that waits.
fn stage(who: Who, book: &Book, at: Ms) -> Option<Stage> {
    let flight = book.flight.as_ref();
    let join = flight.map(|flight| Stage::Joined(flight.claimed + DEADLINE));
    let Some(held) = book.usable(at).filter(|_| who != Who::Refresh) else {
        return join;
    };
    let suspicion = held.suspicion.as_ref()?;
    match who {
        Who::Probe => probe_stage(book, suspicion, at),
        _ => {
            let until = suspicion.since + 1000;
            (is_awaited(suspicion) && at < until).then_some(())?;
            flight.map(|_| Stage::Joined(until))
        }
    }
}

/// Whether requests wait for the renewal in the first second.
pub(super) fn is_awaited(suspicion: &Suspicion) -> bool {
    suspicion.charge != Charge::Beyond && suspicion.failed.is_none()
}

fn probe_stage(book: &Book, suspicion: &Suspicion, at: Ms) -> Option<Stage> {
    let claimed = book.flight.as_ref().map(|flight| flight.claimed);
    let until = suspicion.since.max(claimed.unwrap_or_default()) + 1000;
    (at < until).then_some(())?;
    let is_held = at < book.latest || at < book.short_lives;
    let is_doubtful = suspicion.failed.is_some() || is_held;
    match claimed {
        Some(_) => (is_doubtful || suspicion.due <= at).then_some(Stage::Joined(until)),
        None => is_doubtful.then_some(Stage::Paused(until)),
    }
}

/// A fetch may take so long, and so may a wait.
pub(super) const DEADLINE: Ms = 10_000;
