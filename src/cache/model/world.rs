//! Runs a sequence of events around the real layer, in paused time, and reports
//! all that happens to the monitor.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer, Service, service_fn};

use super::monitor::Monitor;
use super::waits::Who;
use super::{Answer, Event, Ms, Reply};
use crate::cache::core::{Ask, Step};
use crate::cache::shared::Shared;
use crate::{BoxError, Credentials, Error, FiskilAuthLayer, Token, TokenCache, TokenRequest};

/// Returns the rule that was broken, if one was.
pub(super) fn run(events: &[Event]) -> Result<(), String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (world, layer) = World::with_layer();
        for event in events {
            world.happen(*event, &layer);
            if let Event::Pass(ms) = event {
                sleep(span(*ms)).await;
            }
            settle().await;
            world.told(|monitor| monitor.status(&layer.tokens().status()));
        }
        world.recovers(&layer).await;
        drop(layer);
        settle().await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        match world.state().monitor.broken.take() {
            Some(broken) => Err(broken),
            None if tasks > 0 => Err(format!("{tasks} tasks are left")),
            None => Ok(()),
        }
    })
}

/// Shared by the token service, the API and those who ask.
#[derive(Clone)]
pub(super) struct World {
    start: Instant,
    state: Arc<Mutex<State>>,
    cache: Arc<Mutex<Weak<Shared>>>,
}

pub(super) struct State {
    pub(super) monitor: Monitor,
    pub(super) answer: Answer,
    pub(super) issued: u32,
    pub(super) rotation: u32,
    asked: u32,
}

/// A request, how long the API takes for it, and how it answers.
#[derive(Clone, Copy)]
struct Id(u32, Ms, Reply);

impl World {
    fn with_layer() -> (Self, FiskilAuthLayer) {
        let state = State {
            monitor: Monitor::new(),
            answer: Answer::Issues(100, 100_000),
            issued: 0,
            rotation: 0,
            asked: 0,
        };
        let world = Self {
            start: Instant::now(),
            state: Arc::new(Mutex::new(state)),
            cache: Arc::default(),
        };
        let (provider, service) = (world.clone(), world.clone());
        let layer = FiskilAuthLayer::with_token_service(
            move || {
                let id = provider.client_id();
                async move { Ok::<_, BoxError>(Credentials::new(id, "secret")) }
            },
            service_fn(move |request: TokenRequest| service.clone().exchange(request)),
        );
        *world.cache.lock().unwrap() = layer.tokens().shared.this();
        (world, layer)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn client_id(&self) -> String {
        format!("id {}", self.state().rotation)
    }

    /// Tells the monitor of something that happens now.
    pub(super) fn told<R>(&self, event: impl FnOnce(&mut Monitor) -> R) -> R {
        let cache = self.cache.lock().unwrap().upgrade();
        let fetches = cache.map(|cache| cache.status().fetches);
        let now = self.start.elapsed().as_millis() as Ms;
        let monitor = &mut self.state().monitor;
        if let Some(fetches) = fetches {
            monitor.at(now, fetches);
        }
        event(monitor)
    }

    fn happen(&self, event: Event, layer: &FiskilAuthLayer) {
        let cache = layer.tokens();
        match event {
            Event::Pass(_) => {}
            Event::WallClock(by) => {
                self.told(|monitor| monitor.wall_clock_is_set(by));
                let mut shift = cache.shared.clock.wall_shift.lock().unwrap();
                match by < 0 {
                    true => shift.back += span(-by),
                    false => shift.forward += span(by),
                }
            }
            Event::Answer(answer) => self.state().answer = answer,
            Event::Rotate => self.state().rotation += 1,
            Event::Requests(count, latency, reply, patience) => {
                for _ in 0..count {
                    let service = layer.layer(self.api());
                    let request = self.clone().request(service, latency, reply);
                    tokio::spawn(timeout(span(patience), request));
                }
            }
            Event::Probe(patience) => {
                tokio::spawn(timeout(span(patience), self.clone().probe(cache)));
            }
            Event::Refresh(patience) => {
                tokio::spawn(timeout(span(patience), self.clone().refresh(cache)));
            }
            Event::Lose => {
                // Who claims the next one, if both do, can't be told from outside.
                let refreshes = self.told(|monitor| monitor.waits.is_any_refresh());
                if let (Step::Join { flight, .. }, false) =
                    (cache.shared.step(Ask::Refresh), refreshes)
                {
                    flight.abort();
                }
            }
            Event::Report(back) => {
                let value = self.value(back);
                self.told(|monitor| {
                    if monitor.held().is_some_and(|held| held.value == value) {
                        monitor.rejected(monitor.generation());
                    }
                });
                cache.report_rejected(&token(value, 0));
            }
            Event::Invalidate(back) => {
                let value = self.value(back);
                self.told(|monitor| monitor.invalidated(value));
                cache.invalidate(&token(value, 0));
            }
        }
    }

    /// The token in use, or the one so many before it.
    fn value(&self, back: u32) -> u32 {
        let state = self.state();
        let held = state.monitor.held().map(|held| held.value);
        held.unwrap_or(state.issued).saturating_sub(back)
    }

    fn asks(&self, who: Who) -> Asking {
        let id = {
            let mut state = self.state();
            state.asked += 1;
            state.asked
        };
        self.told(|monitor| monitor.begins(id, who));
        Asking(Some((self.clone(), id)))
    }

    async fn request<S, R>(self, mut service: S, latency: Ms, reply: Reply)
    where
        S: Service<Request<()>, Response = Response<R>, Error = Infallible>,
    {
        let mut asking = self.asks(Who::Request);
        let mut request = Request::new(());
        let id = Id(asking.id(), latency, reply);
        request.extensions_mut().insert(id);
        let response = service.call(request).await.unwrap();
        asking.0 = None;
        if let Some(error) = response.extensions().get::<Error>() {
            self.told(|monitor| monitor.request_fails(id.0, error));
        }
    }

    fn api(&self) -> BoxCloneService<Request<()>, Response<()>, Infallible> {
        let world = self.clone();
        BoxCloneService::new(service_fn(move |request: Request<()>| {
            let world = world.clone();
            async move {
                let value = request.headers().get(AUTHORIZATION).unwrap();
                let value = value.to_str().unwrap().strip_prefix("Bearer ");
                let value = number(value.unwrap());
                let Id(id, latency, reply) = *request.extensions().get().unwrap();
                let carried = world.told(|monitor| monitor.request_is_sent(id, value));
                sleep(span(latency)).await;
                world.told(|monitor| match reply {
                    Reply::Denies => monitor.rejected(carried.generation),
                    Reply::Accepts => monitor.accepted(carried),
                    Reply::Else => {}
                });
                let mut response = Response::new(());
                *response.status_mut() = reply.status();
                Ok(response)
            }
        }))
    }

    async fn probe(self, cache: TokenCache) {
        let mut asking = self.asks(Who::Probe);
        let result = cache.token().await;
        let result = result.map(|token| number(token.value()));
        let id = asking.id();
        asking.0 = None;
        self.told(|monitor| monitor.probe_ends(id, result));
    }

    async fn refresh(self, cache: TokenCache) {
        let mut asking = self.asks(Who::Refresh);
        let result = cache.refresh().await;
        let result = result.map(|token| number(token.value()));
        let id = asking.id();
        asking.0 = None;
        self.told(|monitor| monitor.refresh_ends(id, result));
    }

    /// Whatever came before, within the longest of all waits requests succeed.
    async fn recovers(&self, layer: &FiskilAuthLayer) {
        self.state().answer = Answer::Issues(0, 100_000);
        sleep(span(340_001)).await;
        let before = self.state().issued;
        self.happen(Event::Requests(1, 0, Reply::Accepts, 0), layer);
        settle().await;
        let mut state = self.state();
        if state.issued == before && state.monitor.held().is_none() {
            let broken = &mut state.monitor.broken;
            broken.get_or_insert_with(|| "it does not recover".to_owned());
        }
    }
}

/// Tells the monitor where somebody stops asking.
struct Asking(Option<(World, u32)>);

impl Asking {
    fn id(&self) -> u32 {
        self.0.as_ref().unwrap().1
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some((world, id)) = self.0.take() {
            world.told(|monitor| monitor.waits.forget(id));
        }
    }
}

pub(super) fn span(ms: Ms) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

pub(super) fn token(value: u32, lifetime: Ms) -> Token {
    Token::new(format!("token-{value}"), span(lifetime)).unwrap()
}

pub(super) fn number(value: &str) -> u32 {
    value.strip_prefix("token-").unwrap().parse().unwrap()
}

/// Lets the tasks that were just spawned get as far as they can at this moment.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
