//! One state of the search: a token's life, its clocks, and the book on it.

use std::time::{Duration, Instant, SystemTime};

use super::super::backoff::Pause;
use super::super::fake::{FakeError, FakeToken};
use super::super::life::Life;
use super::super::now::{Now, later};
use super::super::step::{Ask, Claim, Ending, Evidence, Outcome, Rejection, Renewal, Step};
use super::book::Book;
use super::held::Suspected;
use super::{End, Event, Of};
use crate::ErrorKind;

pub(super) type FakeLife = Life<FakeToken, FakeError, Claim<FakeToken>>;

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) life: FakeLife,
    pub(super) book: Book,
    pub(super) now: Now,
    chance: f64,
}

/// A rule that was broken is an error.
pub(super) type Verdict = Result<(), String>;

pub(super) fn rule(holds: bool, rule: &str) -> Verdict {
    match holds {
        true => Ok(()),
        false => Err(rule.to_owned()),
    }
}

impl World {
    pub(super) fn new(chance: f64) -> Self {
        let now = Now {
            mono: Instant::now(),
            wall: SystemTime::now(),
        };
        Self {
            life: Life::new(),
            book: Book::new(now),
            now,
            chance,
        }
    }

    /// The state after `event`; `None` where that can't happen.
    pub(super) fn after(&self, event: Event) -> Option<Result<Self, String>> {
        self.is_possible(event).then(|| {
            let mut after = self.clone();
            after.happen(event).map(|()| after)
        })
    }

    fn is_possible(&self, event: Event) -> bool {
        let book = &self.book;
        match event {
            Event::Pass(_) | Event::SetWall(_) | Event::Asks(_) => true,
            Event::Ends(End::Same) => book.flight.is_some() && book.token.is_some(),
            Event::Ends(End::Invalidated) => book.flight.is_some() && book.dropped.is_some(),
            Event::Ends(_) => book.flight.is_some(),
            Event::Rejects(Of::Current) => book.generation > 0,
            Event::Rejects(Of::Earlier) => book.generation > 1,
            Event::Invalidates => book.token.is_some(),
            Event::Accepts(Of::Current) => book.suspected(self.now).is_some(),
            Event::Accepts(Of::Earlier) => book.earlier.is_some(),
        }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Pass(ms) => {
                self.now = self.now.after(Duration::from_millis(ms));
                self.end_overdue()
            }
            Event::SetWall(by) => {
                let span = Duration::from_secs(by.unsigned_abs());
                self.now.wall = match by < 0 {
                    true => self.now.wall - span,
                    false => self.now.wall + span,
                };
                Ok(())
            }
            Event::Asks(ask) => self.ask(ask),
            Event::Ends(end) => self.end(end),
            Event::Rejects(Of::Current) => self.reject(),
            Event::Rejects(Of::Earlier) => {
                let generation = self.book.generation - 1;
                self.changes_nothing("a late rejection", |world| {
                    world.life.reject(generation, world.now) == Rejection::Stale
                })
            }
            Event::Accepts(Of::Current) => {
                let suspected = self.book.suspected(self.now).unwrap();
                let evidence = self.life.clear(suspected.generation, suspected.suspect);
                self.book.clear();
                rule(evidence != Evidence::Stale, "evidence clears a token")
            }
            Event::Accepts(Of::Earlier) => {
                let earlier = self.book.earlier.unwrap();
                self.changes_nothing("late evidence", |world| {
                    let evidence = world.life.clear(earlier.generation, earlier.suspect);
                    evidence == Evidence::Stale
                })
            }
            Event::Invalidates => {
                self.life
                    .invalidate(&self.book.token.as_ref().unwrap().token);
                self.book.invalidate();
                Ok(())
            }
        }
    }

    /// Claims a fetch where that is what the step says.
    fn ask(&mut self, ask: Ask) -> Verdict {
        let now = self.now;
        let is_told = match self.life.step(ask, now) {
            Step::Claim => true,
            Step::Send(usable) => usable.renewal == Renewal::Due,
            _ => false,
        };
        let claim = self.life.claim(ask, now, |claim| claim);
        rule(
            claim.is_some() == is_told,
            "whoever is told to claim a fetch can",
        )?;
        let Some(claim) = claim else {
            return Ok(());
        };
        let earlier = claim.id - 1;
        self.book.claimed(claim, ask, now)?;
        self.ends_too_late(earlier)
    }

    /// The fetch `id` ends, which is no longer under way.
    fn ends_too_late(&mut self, id: u64) -> Verdict {
        self.changes_nothing("a fetch that ends too late", |world| {
            let late = world.issue(Duration::from_secs(100), world.now);
            let ended = world.life.complete(id, late, world.now, world.chance);
            world.book.issued -= 1;
            ended.is_err()
        })
    }

    fn reject(&mut self) -> Verdict {
        let (generation, now) = (self.book.generation, self.now);
        let is_usable = self.book.usable(now).is_some();
        let is_suspect = self.book.suspected(now).is_some();
        let rejection = self.life.reject(generation, now);
        let is_noted = matches!(rejection, Rejection::First | Rejection::Again);
        rule(
            is_noted == (is_usable && !is_suspect),
            "a token is suspect once",
        )?;
        if is_noted {
            let suspect = self.life.snapshot(now).suspect;
            let suspect = suspect.ok_or("a rejected token is suspect")?;
            self.book.reject(
                Suspected {
                    generation,
                    suspect,
                },
                now,
            );
            self.ask(Ask::Request)?;
        }
        Ok(())
    }

    fn end_overdue(&mut self) -> Verdict {
        let ended = self.life.end_overdue(self.now, self.chance);
        let flight = self.book.flight.as_ref();
        let overdue = flight.filter(|flight| flight.deadline <= self.now.mono);
        let overdue = overdue.map(|flight| flight.id);
        let ended = ended.map(|(flight, _)| flight.id);
        rule(ended == overdue, "a fetch ends at its deadline")?;
        let Some(id) = ended else {
            return Ok(());
        };
        self.book.failed(Duration::ZERO, self.now);
        self.ends_too_late(id)
    }

    fn end(&mut self, end: End) -> Verdict {
        let (now, claim) = (self.now, self.book.flight.take().unwrap());
        let again = |token: FakeToken| Ending::Token(token, claim.claimed_at);
        let failed = |pause| FakeError {
            kind: ErrorKind::Unavailable,
            pause,
        };
        let ending = match end {
            End::Long => self.issue(Duration::from_secs(100), claim.claimed_at),
            End::Short => self.issue(Duration::from_millis(500), claim.claimed_at),
            End::Same => again(self.book.token.as_ref().unwrap().token),
            End::Invalidated => again(self.book.dropped.unwrap()),
            End::Fails => Ending::Failed(failed(None)),
            End::FailsForLong => {
                let until = later(now.mono, TOO_LONG);
                Ending::Failed(failed(Some(Pause::AtLeast(until))))
            }
            End::Lost => Ending::Lost,
        };
        let expected = self.book.ended(&claim, &ending, now);
        let completed = self.life.complete(claim.id, ending, now, self.chance);
        let completed = completed.map_err(|_| "the fetch under way can end".to_owned())?;
        let is_as_expected = matches!(
            (&completed.outcome, &expected),
            (Outcome::Failed(_), Outcome::Failed(()))
                | (Outcome::Token, Outcome::Token)
                | (Outcome::Lost, Outcome::Lost)
        );
        rule(is_as_expected, "a fetch ends as what it brought says")
    }

    /// Another token than all before.
    pub(super) fn issue(
        &mut self,
        lifetime: Duration,
        called_at: Now,
    ) -> Ending<FakeToken, FakeError> {
        self.book.issued += 1;
        let number = self.book.issued;
        Ending::Token(FakeToken { number, lifetime }, called_at)
    }

    fn changes_nothing(&mut self, what: &str, mut late: impl FnMut(&mut Self) -> bool) -> Verdict {
        let before = format!("{:?}", self.life);
        let is_stale = late(self);
        let after = format!("{:?}", self.life);
        rule(
            is_stale && before == after,
            &format!("{what} changes nothing"),
        )
    }
}

/// More than any error may ask for.
pub(super) const TOO_LONG: Duration = Duration::from_secs(1000);
