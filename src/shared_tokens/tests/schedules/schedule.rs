//! One schedule under way: the two processes, what may happen to them, and what must
//! hold at its end.

use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};

use super::super::gate::Gate;
use super::super::world::{credentials, keys};
use crate::shared_tokens::entry::{self, Entry};
use crate::shared_tokens::memory::Value;
use crate::shared_tokens::{SharedTokens, SharedTokensService};
use crate::{Error, ErrorKind, Token, TokenRequest};

/// What the two processes want.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scene {
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
pub(super) enum Event {
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

pub(super) struct Schedule {
    scene: Scene,
    gate: Gate,
    services: Vec<SharedTokensService<Gate>>,
    tasks: Vec<Option<JoinHandle<Result<Token, Error>>>>,
    outcomes: Vec<Result<Token, Error>>,
    trouble: Trouble,
    began: Instant,
    stored: u32,
    pub(super) seen: Vec<Event>,
}

impl Schedule {
    pub(super) async fn new(scene: Scene) -> Self {
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
    pub(super) fn events(&self) -> Vec<Event> {
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

    pub(super) async fn happens(&mut self, event: Event) {
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
    pub(super) async fn settle(&mut self) {
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

    pub(super) fn is_over(&self) -> bool {
        self.tasks.iter().all(Option::is_none) && self.gate.commands() == 0
    }

    /// What must hold at the end.
    pub(super) async fn ends_well(mut self) {
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
