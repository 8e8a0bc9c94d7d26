//! What the monitor keeps book of: the token in use, and how far apart exchanges
//! must be. Where the layer draws a random factor, the book knows its range.

use crate::ErrorKind;

/// Milliseconds since the start of the run.
pub(super) type Ms = i64;

#[derive(Debug)]
pub(super) struct Book {
    pub(super) held: Option<Held>,
    pub(super) generation: u32,
    /// Rejected or invalidated, and not replaced yet.
    pub(super) rejected: Option<u32>,
    /// All that were ever invalidated.
    pub(super) invalidated: Vec<u32>,
    pub(super) exchange: Option<Exchange>,
    pub(super) held_back: Spacing,
    pub(super) failed: Failed,
    exchanges: u32,
    /// When the wall clock was set, and how far ahead it has been since.
    wall: Vec<(Ms, Ms)>,
}

/// The token in use.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) value: u32,
    pub(super) started: Ms,
    pub(super) delivered: Ms,
    pub(super) lifetime: Ms,
    pub(super) standing: Standing,
    after_rejection: bool,
    wall: Ms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// Its renewal is permitted, and has not failed yet.
    RejectedAndAwaited,
    RejectedInUse,
    /// One of both: the renewal may or may not have been permitted.
    RejectedEither,
}

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) started: Ms,
    number: u32,
    wall: Ms,
}

/// The next exchange may start from `earliest` on, and must be permitted from
/// `latest` on.
#[derive(Debug, Default)]
pub(super) struct Spacing {
    pub(super) earliest: Ms,
    pub(super) latest: Ms,
    fewest_failures: usize,
    most_failures: usize,
}

/// The last failure of any kind.
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
            rejected: None,
            invalidated: Vec::new(),
            exchange: None,
            held_back: Spacing::default(),
            failed: Failed {
                at: -1,
                kind: ErrorKind::Runtime,
                exchange: 0,
            },
            exchanges: 0,
            wall: vec![(0, 0)],
        }
    }

    pub(super) fn exchange_starts(&mut self, now: Ms) -> u32 {
        self.exchanges += 1;
        self.exchange = Some(Exchange {
            started: now,
            number: self.exchanges,
            wall: self.wall_ahead(),
        });
        self.exchanges
    }

    pub(super) fn exchange_brings(&mut self, now: Ms, value: u32, lifetime: Ms) {
        let exchange = self.exchange.as_ref().unwrap();
        let mut held = Held {
            value,
            started: exchange.started,
            delivered: now,
            lifetime,
            standing: Standing::Good,
            after_rejection: self.rejected.is_some(),
            wall: exchange.wall,
        };
        if self.invalidated.contains(&value) || !self.is_alive(&held, now) {
            return self.exchange_failed(now, 0, ErrorKind::InvalidToken);
        }
        self.exchange = None;
        if self.held.as_ref().is_none_or(|held| held.value != value) {
            self.generation += 1;
        }
        if self.rejected == Some(value) {
            held.standing = Standing::RejectedInUse;
            self.failed(now, 0, ErrorKind::InvalidToken);
        } else {
            if self.rejected.take().is_none() {
                self.held_back = Spacing::default();
            }
            (self.held_back.earliest, self.held_back.latest) = (0, 0);
        }
        if lifetime < 1000 {
            self.held_back.hold(now, (1000, 1000));
            self.failed.kind = ErrorKind::InvalidToken;
        }
        self.held = Some(held);
    }

    pub(super) fn exchange_failed(&mut self, now: Ms, retry_after: Ms, kind: ErrorKind) {
        let exchange = self.exchange.take().unwrap();
        self.failed.exchange = exchange.number;
        self.failed(now, retry_after, kind);
        if let Some(held) = &mut self.held
            && held.standing != Standing::Good
        {
            held.standing = Standing::RejectedInUse;
        }
    }

    fn failed(&mut self, now: Ms, retry_after: Ms, kind: ErrorKind) {
        (self.failed.at, self.failed.kind) = (now, kind);
        self.held_back.fail(now, retry_after);
    }

    pub(super) fn note_rejection(&mut self, held: &Held, now: Ms) {
        if self.age(held, now) < 60_000 {
            if held.after_rejection {
                self.failed(now, 0, ErrorKind::InvalidToken);
            }
        } else if self.held_back.latest <= now {
            self.held_back = Spacing::default();
        } else if self.held_back.earliest <= now {
            self.held_back.fewest_failures = 0;
        }
    }

    pub(super) fn wall_clock_is_set(&mut self, now: Ms, by: Ms) {
        self.wall.push((now, self.wall_ahead() + by));
    }

    fn wall_ahead(&self) -> Ms {
        self.wall.last().unwrap().1
    }

    /// By whichever clock says more.
    pub(super) fn age(&self, held: &Held, now: Ms) -> Ms {
        now - held.started + (self.wall_ahead() - held.wall).max(0)
    }

    pub(super) fn is_alive(&self, held: &Held, now: Ms) -> bool {
        self.age(held, now) < held.usable_for()
    }

    /// Alive by the monotonic clock, and by some look at the wall clock within
    /// the last second.
    pub(super) fn may_look_alive(&self, held: &Held, now: Ms) -> bool {
        let later_settings = self.wall.iter().skip(1).map(|(at, _)| *at);
        let until = later_settings.chain([Ms::MAX]);
        self.wall.iter().zip(until).any(|(&(from, ahead), until)| {
            let looked = from.max(now - 999);
            let age = looked - held.started + (ahead - held.wall).max(0);
            looked <= until && age < held.usable_for()
        }) && now - held.started < held.usable_for()
    }

    /// Whether there is a token that requests carry at once.
    pub(super) fn ready(&self, now: Ms) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| {
            let sent = matches!(held.standing, Standing::Good | Standing::RejectedInUse);
            sent && self.is_alive(held, now)
        })
    }
}

impl Held {
    fn usable_for(&self) -> Ms {
        self.lifetime - (self.lifetime / 10).min(10_000)
    }
}

impl Spacing {
    fn fail(&mut self, now: Ms, retry_after: Ms) {
        let step = |failures: usize| [1000, 2000, 4000, 8000, 16_000, 24_000][failures.min(5)];
        let asked = retry_after.min(300_000);
        let shortest = asked.max(step(self.fewest_failures));
        let longest = asked.max(step(self.most_failures) * 5 / 4);
        self.fewest_failures += 1;
        self.most_failures += 1;
        self.hold(now, (shortest, longest));
    }

    fn hold(&mut self, now: Ms, (shortest, longest): (Ms, Ms)) {
        self.earliest = self.earliest.max(now + shortest);
        self.latest = self.latest.max(now + longest);
    }
}
