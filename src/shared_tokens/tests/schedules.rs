//! Two processes of a fleet, and all that can happen between them: each order of
//! their commands, answers and exchanges, with delays, lost messages and deaths.
//!
//! A schedule is what happens, step by step. By default it is the oldest that is
//! under way; every schedule with two departures from that is run, and random ones
//! with more.
//!
//! Mutations caught: a publication by whoever lost the lock; a lock that is not looked
//! at; a token that is held and handed out again.

use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};

use super::gate::Gate;
use super::world::{credentials, keys};
use crate::shared_tokens::entry::{self, Entry};
use crate::shared_tokens::memory::Value;
use crate::shared_tokens::{SharedTokens, SharedTokensService};
use crate::{Error, ErrorKind, Token, TokenRequest};

/// What the two processes want.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scene {
    /// A first token.
    Cold,
    /// Another one than they hold.
    Renewal,
    /// The same, as it was rejected.
    Rejection,
    /// A first token, of an endpoint that is down.
    Outage,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The command or answer gets to where it is sent.
    Arrives(usize),
    /// An exchange is answered.
    Answered(usize),
    /// Nothing for so many milliseconds.
    Pass(u64),
    Lost(usize),
    Dies(usize),
}

/// What has happened in a schedule, beyond the default.
#[derive(Default)]
struct Trouble {
    faults: u32,
    /// Delays while something was under way, in all.
    delays: u32,
    delayed: Duration,
}

struct Schedule {
    scene: Scene,
    gate: Gate,
    services: Vec<SharedTokensService<Gate>>,
    tasks: Vec<Option<JoinHandle<Result<Token, Error>>>>,
    outcomes: Vec<Result<Token, Error>>,
    trouble: Trouble,
    began: Instant,
    stored: u32,
    seen: Vec<Event>,
}

impl Schedule {
    async fn new(scene: Scene) -> Self {
        let gate = Gate::new();
        let processes = 0..2;
        let mut services: Vec<_> = processes
            .map(|_| SharedTokens::over(gate.clone()).layer(gate.clone()))
            .collect();
        let mut requests = Vec::new();
        for service in &mut services {
            let mut request = TokenRequest::new(credentials());
            if matches!(scene, Scene::Renewal | Scene::Rejection) {
                let held = service.oneshot(request.clone()).await.unwrap();
                request.rejected = (scene == Scene::Rejection).then(|| held.clone());
                request.held = Some(held);
            }
            requests.push(request);
        }
        gate.close();
        if scene == Scene::Outage {
            gate.fail();
        }
        let tasks = services.iter_mut().zip(requests);
        let tasks = tasks.map(|(service, request)| Some(tokio::spawn(service.call(request))));
        Self {
            scene,
            tasks: tasks.collect(),
            services,
            gate,
            outcomes: Vec::new(),
            trouble: Trouble::default(),
            began: Instant::now(),
            stored: 0,
            seen: Vec::new(),
        }
    }

    /// What may happen next, the default first.
    fn events(&self) -> Vec<Event> {
        let (commands, exchanges) = (self.gate.commands(), self.gate.exchanges());
        let arrive = (0..commands).map(Event::Arrives);
        let mut events: Vec<_> = arrive.chain((0..exchanges).map(Event::Answered)).collect();
        if events.is_empty() {
            return vec![Event::Pass(100)];
        }
        if self.trouble.delays < 2 {
            // Past an extension of the lease or what a command may take; past the lease.
            events.extend([Event::Pass(1200), Event::Pass(3200)]);
        }
        if self.trouble.faults < 1 {
            events.extend((0..commands).map(Event::Lost));
            let alive = self.tasks.iter().enumerate();
            let alive = alive.filter(|(_, task)| task.is_some());
            events.extend(alive.map(|(at, _)| Event::Dies(at)));
        }
        events
    }

    async fn happens(&mut self, event: Event) {
        let is_idle = self.gate.commands() + self.gate.exchanges() == 0;
        self.seen.push(event);
        match event {
            Event::Arrives(at) => self.gate.pass_on(at),
            Event::Answered(at) => self.gate.answer(at),
            Event::Pass(millis) => {
                let span = Duration::from_millis(millis);
                if !is_idle {
                    self.trouble.delays += 1;
                    self.trouble.delayed += span;
                }
                advance(span).await;
            }
            Event::Lost(at) => {
                self.trouble.faults += 1;
                self.gate.lose(at);
            }
            Event::Dies(at) => {
                self.trouble.faults += 1;
                self.tasks[at].take().unwrap().abort();
            }
        }
        self.settle().await;
    }

    /// Lets the processes do all that they can.
    async fn settle(&mut self) {
        for _ in 0..12 {
            yield_now().await;
        }
        for task in &mut self.tasks {
            if task.as_ref().is_some_and(JoinHandle::is_finished) {
                self.outcomes.push(task.take().unwrap().await.unwrap());
            }
        }
        let stored = self.stored();
        assert!(stored >= self.stored, "an older token is put back");
        self.stored = stored;
    }

    /// The number of the token in the store.
    fn stored(&self) -> u32 {
        let keys = keys();
        let Some((Value::Text(text), left)) = self.gate.store.get(&keys.names.token) else {
            return 0;
        };
        assert!(left.is_some(), "it has no lifetime");
        match entry::open(&keys, &text) {
            Some(Entry::Token(stored)) => number(&stored.token),
            other => panic!("{other:?}"),
        }
    }

    fn is_over(&self) -> bool {
        self.tasks.iter().all(Option::is_none) && self.gate.commands() == 0
    }

    /// What must hold at the end.
    async fn ends_well(mut self) {
        let Trouble {
            faults,
            delays,
            delayed,
        } = self.trouble;
        let is_late = delayed >= Duration::from_secs(1);
        let is_late_to_start = self.began.elapsed() >= Duration::from_millis(4500);
        let (exchanges, at_once) = self.gate.counts();
        assert!(exchanges <= 1 + faults + delays, "{exchanges} exchanges");
        if faults == 0 && !is_late {
            assert_eq!((exchanges, at_once), (1, 1));
        }
        for outcome in &self.outcomes {
            match (self.scene, outcome) {
                (Scene::Outage, Err(error)) => assert_eq!(error.kind(), ErrorKind::Unavailable),
                // Those that hold t0 get another one.
                (_, Ok(token)) => assert!((1..=exchanges).contains(&number(token))),
                // Who has waited for so long leaves the exchange to the next.
                (_, Err(error)) => assert!(is_late_to_start, "{error}"),
            }
        }

        // Then it is one fleet again.
        advance(Duration::from_secs(4)).await;
        let name = keys().names.lock;
        assert!(self.gate.store.get(&name).is_none(), "a lock is left");
        self.gate.heal();
        self.gate.open();
        advance(Duration::from_secs(2)).await;
        let before = self.stored();
        let mut tokens = Vec::new();
        for service in &mut self.services {
            let token = service.oneshot(TokenRequest::new(credentials())).await;
            tokens.push(number(&token.unwrap()));
        }
        assert_eq!(tokens, [before; 2]);
    }
}

fn number(token: &Token) -> u32 {
    token.value().strip_prefix('t').unwrap().parse().unwrap()
}

/// Plays a schedule: at each step what `choose` says of so many.
fn play(scene: Scene, mut choose: impl FnMut(usize) -> usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        fastrand::seed(1);
        let mut schedule = Schedule::new(scene).await;
        schedule.settle().await;
        while !schedule.is_over() {
            assert!(schedule.seen.len() < 500, "it never ends");
            let events = schedule.events();
            let event = events[choose(events.len())];
            schedule.happens(event).await;
        }
        schedule.ends_well().await;
    });
}

/// Plays one that departs from the default as `departures` say: at which step, and
/// to what. Returns how many choices there were at each step.
fn play_departing(scene: Scene, departures: &[(usize, usize)]) -> Vec<usize> {
    let mut choices = Vec::new();
    play(scene, |count| {
        let step = choices.len();
        choices.push(count);
        let departure = departures.iter().find(|(at, _)| *at == step);
        departure.map_or(0, |(_, to)| *to)
    });
    choices
}

const SCENES: [Scene; 4] = [Scene::Cold, Scene::Renewal, Scene::Rejection, Scene::Outage];

#[test]
fn no_schedule_with_two_departures_breaks_a_rule() {
    for scene in SCENES {
        let mut open = vec![Vec::new()];
        let mut played = 0;
        while let Some(departures) = open.pop() {
            played += 1;
            let choices = play_departing(scene, &departures);
            if departures.len() == 2 {
                continue;
            }
            let from = departures
                .last()
                .map_or(0, |(at, _): &(usize, usize)| at + 1);
            for (at, count) in choices.iter().enumerate().skip(from) {
                for to in 1..*count {
                    let mut next = departures.clone();
                    next.push((at, to));
                    open.push(next);
                }
            }
        }
        eprintln!("{scene:?}: {played} schedules");
        assert!(played > 500, "{scene:?}: {played}");
    }
}

#[test]
fn no_random_schedule_breaks_a_rule() {
    for seed in 0..2000 {
        let scene = SCENES[seed as usize % SCENES.len()];
        let mut rng = fastrand::Rng::with_seed(seed);
        play(scene, |count| match rng.u32(0..3) {
            0 => 0,
            _ => rng.usize(0..count),
        });
    }
}
