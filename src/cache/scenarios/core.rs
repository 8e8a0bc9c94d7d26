//! Runs the scenarios against the pure core: no runtime, no lock, no I/O.

use std::time::{Duration, Instant, SystemTime};

use super::super::core::fake::{FakeError, FakeToken};
use super::super::core::{
    Ask, Claim, Completed, Ending, Life, Now, Outcome, Pause, Rejection, Renewal, Step as Next,
};
use super::{Answer, FIRST_ANSWER, Outcome as Seen, Scenario, Step, table::SCENARIOS};
use crate::ErrorKind;

#[test]
fn every_scenario_holds_for_the_core() {
    for scenario in SCENARIOS {
        for chance in [0.0, 0.3, 0.6, 1.0] {
            run(scenario, chance);
        }
    }
}

fn run(scenario: &Scenario, chance: f64) {
    let mut world = World::new(chance);
    for (index, step) in scenario.steps.iter().enumerate() {
        let context = format!("{}, step {index} {step:?}, chance {chance}", scenario.name);
        match *step {
            Step::Service(answer) => world.answer = answer,
            Step::Pass(seconds) => world.pass(Duration::from_secs_f64(seconds)),
            Step::WallClock(shift) => world.set_wall_clock(shift),
            Step::Rejects(token) => world.reject(token),
            Step::Accepts(token) => world.accept(token, &context),
            Step::Suspect(suspect) => {
                let snapshot = world.life.snapshot(world.now);
                assert_eq!(snapshot.suspect.is_some(), suspect, "{context}");
            }
            Step::Loses => world.lose(),
            Step::Invalidates(number) => {
                let lifetime = Duration::ZERO;
                world.life.invalidate(&FakeToken { number, lifetime });
            }
            Step::Fetches(count) => {
                let fetches = world.life.snapshot(world.now).fetches;
                assert_eq!(fetches, u64::from(count), "{context}");
            }
            request => {
                let ask = match request {
                    Step::Probes(..) => Ask::Probe,
                    _ => Ask::Request,
                };
                let (expected, seen) = (request.expected().unwrap(), world.ask(ask));
                assert!(seen.matches(&expected), "{context}: {seen:?}");
            }
        }
    }
}

/// The token service and the clocks around a [`Life`].
struct World {
    life: Life<FakeToken, FakeError, Claim<FakeToken>>,
    now: Now,
    chance: f64,
    answer: Answer,
    issued: u32,
    /// The numbers of the tokens, by generation.
    generations: Vec<u32>,
    /// When the fetch under way ends, and how.
    ending: Option<(u64, Instant, Ending<FakeToken, FakeError>)>,
}

impl World {
    fn new(chance: f64) -> Self {
        Self {
            life: Life::new(),
            now: Now {
                mono: Instant::now(),
                wall: SystemTime::now(),
            },
            chance,
            answer: FIRST_ANSWER,
            issued: 0,
            generations: vec![0],
            ending: None,
        }
    }

    fn pass(&mut self, span: Duration) {
        self.pass_until(self.now.mono + span);
    }

    fn pass_until(&mut self, until: Instant) {
        while let Some(at) = self.ending.as_ref().map(|ending| ending.1) {
            if at > until {
                break;
            }
            self.now = self.now.after(at.saturating_duration_since(self.now.mono));
            self.end();
        }
        let left = until.saturating_duration_since(self.now.mono);
        self.now = self.now.after(left);
    }

    fn set_wall_clock(&mut self, shift: f64) {
        let span = Duration::from_secs_f64(shift.abs());
        self.now.wall = if shift < 0.0 {
            self.now.wall - span
        } else {
            self.now.wall + span
        };
    }

    fn ask(&mut self, ask: Ask) -> Seen {
        let from = self.now.mono;
        let mut failure = None;
        let result = loop {
            self.life.end_overdue(self.now, self.chance);
            match (self.life.step(ask, self.now), failure.take()) {
                (Next::Send(usable), _) => {
                    if usable.renewal == Renewal::Due {
                        self.claim();
                    }
                    break Ok(usable.token.number);
                }
                (Next::Wait { until }, _) => self.pass_until(until),
                (_, Some(kind)) => break Err(kind),
                (Next::Fail(error), None) => break Err(error.kind),
                (Next::Claim, None) => self.claim(),
                (Next::Join { until, .. }, None) => {
                    let end = self.ending.as_ref().map(|ending| ending.1);
                    if end.is_some_and(|end| end <= until) {
                        let span = end.unwrap().saturating_duration_since(self.now.mono);
                        self.now = self.now.after(span);
                        failure = self.end();
                    } else {
                        self.pass_until(until);
                    }
                }
            }
        };
        // As `TokenCache::token` does.
        if ask == Ask::Probe && result.is_err() {
            self.claim();
        }
        let waited = self.now.mono.duration_since(from).as_secs_f64();
        Seen { waited, result }
    }

    fn reject(&mut self, token: u32) {
        let generation = self.generations.iter().rposition(|number| *number == token);
        let generation = u32::try_from(generation.unwrap()).unwrap();
        match self.life.reject(generation, self.now) {
            Rejection::First | Rejection::Again => self.claim(),
            Rejection::Known | Rejection::Stale => {}
        }
    }

    fn accept(&mut self, token: u32, context: &str) {
        let Next::Send(usable) = self.life.step(Ask::Request, self.now) else {
            panic!("{context}: no token");
        };
        assert_eq!(usable.token.number, token, "{context}");
        if let Some(suspect) = usable.suspect {
            self.life.clear(usable.generation, suspect);
        }
    }

    fn lose(&mut self) {
        let (id, ..) = self.ending.take().unwrap();
        self.complete(id, Ending::Lost);
    }

    fn claim(&mut self) {
        let Some(claim) = self.life.claim(Ask::Request, self.now, |claim| claim) else {
            return;
        };
        let failed = || FakeError::new(ErrorKind::Unavailable);
        let token = |number, lifetime| {
            let lifetime = Duration::from_secs_f64(lifetime);
            Ending::Token(FakeToken { number, lifetime }, self.now)
        };
        let (latency, ending) = match self.answer {
            Answer::Issues(latency, lifetime) => {
                self.issued += 1;
                (latency, token(self.issued, lifetime))
            }
            Answer::Repeats(latency, lifetime) => (latency, token(self.issued, lifetime)),
            Answer::Errs(latency) => (latency, Ending::Failed(failed())),
            Answer::ErrsUntil(wait) => {
                let until = self.now.mono + Duration::from_secs_f64(wait);
                let pause = Some(Pause::AtLeast(until));
                (0.0, Ending::Failed(FakeError { pause, ..failed() }))
            }
            Answer::Hangs => (f64::INFINITY, Ending::Failed(failed())),
        };
        let latency = Duration::try_from_secs_f64(latency).unwrap_or(Duration::MAX);
        let at = self.now.mono.checked_add(latency);
        let at = at.unwrap_or(claim.deadline).min(claim.deadline);
        self.ending = Some((claim.id, at, ending));
        if latency.is_zero() {
            self.end();
        }
    }

    /// Returns what the fetch under way failed with, if it did.
    fn end(&mut self) -> Option<ErrorKind> {
        let (id, _, ending) = self.ending.take().unwrap();
        if let Some((_, completed)) = self.life.end_overdue(self.now, self.chance) {
            return failure(&completed);
        }
        self.complete(id, ending)
    }

    fn complete(&mut self, id: u64, ending: Ending<FakeToken, FakeError>) -> Option<ErrorKind> {
        let number = match &ending {
            Ending::Token(token, _) => token.number,
            _ => 0,
        };
        let completed = self.life.complete(id, ending, self.now, self.chance);
        let completed = completed.unwrap();
        let generations = u32::try_from(self.generations.len()).unwrap();
        if self.life.snapshot(self.now).generation == generations {
            self.generations.push(number);
        }
        failure(&completed)
    }
}

fn failure(completed: &Completed<FakeError>) -> Option<ErrorKind> {
    match &completed.outcome {
        Outcome::Failed(error) => Some(error.kind),
        Outcome::Token | Outcome::Lost => None,
    }
}
