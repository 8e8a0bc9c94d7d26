//! Runs the scenarios against the pure core: no runtime, no lock, no I/O.

use std::time::{Duration, Instant, SystemTime};

use super::super::DEADLINE;
use super::super::clock::Now;
use super::super::decision::{Decision, Rejection};
use super::super::life::Life;
use super::{Answer, FIRST_ANSWER, Outcome, Scenario, Step, table::SCENARIOS};
use crate::{Error, ErrorKind, Token};

#[test]
fn every_scenario_holds_for_the_core() {
    for scenario in SCENARIOS {
        for seed in 0..20 {
            run(scenario, seed);
        }
    }
}

fn run(scenario: &Scenario, seed: u64) {
    let mut world = World::new(seed);
    for (index, step) in scenario.steps.iter().enumerate() {
        let context = format!("{}, step {index} {step:?}, seed {seed}", scenario.name);
        match *step {
            Step::Service(answer) => world.answer = answer,
            Step::Pass(seconds) => world.pass(Duration::from_secs_f64(seconds)),
            Step::WallClock(shift) => world.set_wall_clock(shift),
            Step::Rejects(token) => world.reject(token),
            Step::Invalidates(token) => {
                world.life.invalidate(&world.token(token, 1.0), world.now);
            }
            Step::Exchanges(count) => {
                assert_eq!(world.life.counts().fetches, u64::from(count), "{context}");
            }
            request => {
                let (expected, seen) = (request.expected().unwrap(), world.request());
                assert!(seen.matches(&expected), "{context}: {seen:?}");
            }
        }
    }
}

/// The token service and the clocks around a [`Life`].
struct World {
    life: Life,
    now: Now,
    answer: Answer,
    issued: u32,
    /// The numbers of the tokens, by generation.
    generations: Vec<u32>,
    /// When the exchange under way ends, and how.
    ending: Option<(u64, Now, Instant, Result<Token, Error>)>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            life: Life::new(DEADLINE, fastrand::Rng::with_seed(seed)),
            now: Now {
                mono: Instant::now(),
                wall: SystemTime::now(),
            },
            answer: FIRST_ANSWER,
            issued: 0,
            generations: vec![0],
            ending: None,
        }
    }

    fn token(&self, number: u32, lifetime: f64) -> Token {
        Token::new(number.to_string(), Duration::from_secs_f64(lifetime)).unwrap()
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(at) = self
            .ending
            .as_ref()
            .map(|ending| ending.2)
            .filter(|at| *at <= end.mono)
        {
            self.now = self.now.after(at.saturating_duration_since(self.now.mono));
            self.end();
        }
        self.now = end_at(self.now, end.mono);
    }

    fn set_wall_clock(&mut self, shift: f64) {
        let span = Duration::from_secs_f64(shift.abs());
        self.now.wall = if shift < 0.0 {
            self.now.wall - span
        } else {
            self.now.wall + span
        };
    }

    fn request(&mut self) -> Outcome {
        let from = self.now.mono;
        loop {
            self.life.end_overdue(self.now);
            let result = match self.life.decide(self.now) {
                Decision::Send { renewal_due, .. } => {
                    if renewal_due {
                        self.claim();
                    }
                    Ok(self.generations[usize::try_from(self.life.generation()).unwrap()])
                }
                Decision::Fail(error) => Err(error.kind()),
                Decision::Wait => {
                    self.claim();
                    let at = self.ending.as_ref().unwrap().2;
                    self.now = self.now.after(at.saturating_duration_since(self.now.mono));
                    self.end();
                    continue;
                }
            };
            let waited = self.now.mono.duration_since(from).as_secs_f64();
            return Outcome { waited, result };
        }
    }

    fn reject(&mut self, token: u32) {
        let generation = self.generations.iter().rposition(|number| *number == token);
        let generation = u64::try_from(generation.unwrap()).unwrap();
        if self.life.reject(generation, self.now) == Rejection::Renews {
            self.claim();
        }
    }

    fn claim(&mut self) {
        let Some(claim) = self.life.claim(self.now) else {
            return;
        };
        let failed = || Error::new(ErrorKind::Unavailable, "down");
        let (latency, result) = match self.answer {
            Answer::Issues(latency, lifetime) => {
                self.issued += 1;
                (latency, Ok(self.token(self.issued, lifetime)))
            }
            Answer::Repeats(latency, lifetime) => (latency, Ok(self.token(self.issued, lifetime))),
            Answer::Errs(latency) => (latency, Err(failed())),
            Answer::ErrsUntil(wait) => {
                let until = self.now.mono + Duration::from_secs_f64(wait);
                (0.0, Err(failed().with_retry_at(Some(until))))
            }
            Answer::Hangs => (f64::INFINITY, Err(failed())),
        };
        let answered = Duration::try_from_secs_f64(latency).unwrap_or(Duration::MAX);
        let at = self
            .now
            .mono
            .checked_add(answered)
            .unwrap_or(claim.deadline);
        self.ending = Some((claim.id, self.now, at.min(claim.deadline), result));
    }

    fn end(&mut self) {
        let (id, started, _, result) = self.ending.take().unwrap();
        if self.life.end_overdue(self.now).is_some() {
            return;
        }
        match result {
            Ok(token) => {
                let number = token.value().parse().unwrap();
                self.life.succeed(id, token, started, self.now);
                if self.life.generation() == self.generations.len() as u64 {
                    self.generations.push(number);
                }
            }
            Err(error) => {
                self.life.fail(id, error, self.now);
            }
        }
    }
}

fn end_at(now: Now, mono: Instant) -> Now {
    now.after(mono.saturating_duration_since(now.mono))
}
