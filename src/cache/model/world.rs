//! Runs a sequence of events around the real layer, in paused time, and reports
//! all that happens to the monitor.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer, Service, service_fn};

use super::book::Ms;
use super::monitor::{Monitor, failure};
use super::{Answer, Event};
use crate::{
    BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, Token, TokenCache, TokenRequest,
};

/// Returns the rule that was broken, if one was.
pub(super) fn run(events: &[Event]) -> Result<(), String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new();
        let layer = world.layer();
        for event in events {
            world.happen(*event, &layer);
            if let Event::Pass(ms) = event {
                sleep(span(*ms)).await;
            }
            settle().await;
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

/// Shared by the token service, the API and the requests.
#[derive(Clone)]
struct World {
    start: Instant,
    state: Arc<Mutex<State>>,
}

struct State {
    monitor: Monitor,
    answer: Answer,
    issued: u32,
    requests: u32,
    rotation: u32,
}

/// A request, how long the API takes for it, and whether it answers 401.
#[derive(Clone, Copy)]
struct Id(u32, Ms, bool);

impl World {
    fn new() -> Self {
        let state = State {
            monitor: Monitor::new(),
            answer: Answer::Issues(100, 100_000),
            issued: 0,
            requests: 0,
            rotation: 0,
        };
        Self {
            start: Instant::now(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn now(&self) -> Ms {
        self.start.elapsed().as_millis() as Ms
    }

    fn layer(&self) -> FiskilAuthLayer {
        let (provider, service) = (self.clone(), self.clone());
        FiskilAuthLayer::with_token_service(
            move || {
                let id = format!("id {}", provider.state().rotation);
                async move { Ok::<_, BoxError>(Credentials::new(id, "secret")) }
            },
            service_fn(move |request: TokenRequest| service.clone().exchange(request)),
        )
    }

    fn happen(&self, event: Event, layer: &FiskilAuthLayer) {
        let (now, cache) = (self.now(), layer.tokens());
        match event {
            Event::Pass(_) => {}
            Event::WallClock(by) => {
                let mut shift = cache.shared.clock.wall_shift.lock().unwrap();
                match by < 0 {
                    true => shift.back += span(-by),
                    false => shift.forward += span(by),
                }
                self.state().monitor.wall_clock_is_set(now, by);
            }
            Event::Answer(answer) => self.state().answer = answer,
            Event::Rotate => self.state().rotation += 1,
            Event::Requests(count, latency, reject, patience) => {
                for _ in 0..count {
                    let service = layer.layer(self.api());
                    let request = self.clone().request(service, latency, reject);
                    tokio::spawn(timeout(span(patience), request));
                }
            }
            Event::Refresh(patience) => {
                tokio::spawn(self.clone().refresh(cache, patience));
            }
            Event::Invalidate(back) => {
                let mut state = self.state();
                let held = state.monitor.held().map(|held| held.value);
                let value = held.unwrap_or(state.issued).saturating_sub(back);
                state.monitor.invalidated(now, value);
                drop(state);
                cache.invalidate(&token(value, 0));
            }
        }
    }

    async fn request<S, R>(self, mut service: S, latency: Ms, reject: bool)
    where
        S: Service<Request<()>, Response = Response<R>, Error = Infallible>,
    {
        let id = {
            let mut state = self.state();
            state.requests += 1;
            let id = state.requests;
            state.monitor.request_begins(self.now(), id);
            id
        };
        let mut waiting = Waiting(Some((self.clone(), id)));
        let mut request = Request::new(());
        request.extensions_mut().insert(Id(id, latency, reject));
        let response = service.call(request).await.unwrap();
        waiting.0 = None;
        if let Some(error) = response.extensions().get::<Error>() {
            let now = self.now();
            self.state().monitor.request_fails(now, id, error);
        }
    }

    fn api(&self) -> BoxCloneService<Request<()>, Response<()>, Infallible> {
        let world = self.clone();
        BoxCloneService::new(service_fn(move |request: Request<()>| {
            let world = world.clone();
            async move {
                let value = request.headers().get(AUTHORIZATION).unwrap();
                let value = value.to_str().unwrap().strip_prefix(PREFIX).unwrap();
                let Id(id, latency, reject) = *request.extensions().get().unwrap();
                let (now, value) = (world.now(), value.parse().unwrap());
                let generation = world.state().monitor.request_is_sent(now, id, value);
                sleep(span(latency)).await;
                let mut response = Response::new(());
                if reject {
                    *response.status_mut() = StatusCode::UNAUTHORIZED;
                    let now = world.now();
                    world.state().monitor.rejected(now, generation);
                }
                Ok(response)
            }
        }))
    }

    async fn refresh(self, cache: TokenCache, patience: Ms) {
        let since = self.now();
        self.state().monitor.refresh_begins(since);
        let result = timeout(span(patience), cache.refresh()).await.ok();
        let result = result.map(|result| result.map(|token| number(&token)));
        let now = self.now();
        self.state().monitor.refresh_ends(now, since, result);
    }

    async fn exchange(self, request: TokenRequest) -> Result<Token, BoxError> {
        let (exchange, answer, value) = self.exchange_starts(&request);
        let failed = |kind, retry_after| {
            let now = self.now();
            let mut state = self.state();
            state.monitor.exchange_fails(now, retry_after, kind);
        };
        match answer {
            Answer::Issues(latency, lifetime) | Answer::Repeats(_, latency, lifetime) => {
                sleep(span(latency)).await;
                let now = self.now();
                let mut state = self.state();
                state.monitor.exchange_brings(now, value, lifetime);
                Ok(token(value, lifetime))
            }
            Answer::Errs(latency) => {
                sleep(span(latency)).await;
                failed(ErrorKind::TokenService, 0);
                Err(failure(exchange).into())
            }
            Answer::ErrsUntil(wait) => {
                failed(ErrorKind::Unavailable, wait);
                let until = Instant::now() + span(wait);
                let error = Error::new(ErrorKind::Unavailable, "down");
                Err(error.with_retry_at(Some(until.into_std())).into())
            }
            Answer::Hangs => std::future::pending().await,
        }
    }

    /// Returns the exchange's number, how it is answered, and with which token.
    fn exchange_starts(&self, request: &TokenRequest) -> (u32, Answer, u32) {
        let (now, mut state) = (self.now(), self.state());
        let rejected = request.rejected.as_ref().map(number);
        let exchange = state.monitor.exchange_starts(now, rejected);
        let id = format!("id {}", state.rotation);
        if request.credentials.client_id() != id {
            let broken = &mut state.monitor.broken;
            broken.get_or_insert_with(|| "the latest credentials are used".to_owned());
        }
        let value = match state.answer {
            Answer::Issues(..) => {
                state.issued += 1;
                state.issued
            }
            Answer::Repeats(back, ..) => state.issued.saturating_sub(back),
            _ => 0,
        };
        (exchange, state.answer, value)
    }

    /// Whatever came before, within the longest of all waits requests succeed.
    async fn recovers(&self, layer: &FiskilAuthLayer) {
        self.state().answer = Answer::Issues(0, 100_000);
        sleep(span(310_001)).await;
        let before = self.state().issued;
        self.happen(Event::Requests(1, 0, false, 0), layer);
        settle().await;
        let mut state = self.state();
        if state.issued == before && state.monitor.held().is_none() {
            let broken = &mut state.monitor.broken;
            broken.get_or_insert_with(|| "it does not recover".to_owned());
        }
    }
}

/// Tells the monitor where a request is dropped.
struct Waiting(Option<(World, u32)>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((world, id)) = self.0.take() {
            let now = world.now();
            world.state().monitor.request_is_dropped(now, id);
        }
    }
}

fn span(ms: Ms) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

fn token(value: u32, lifetime: Ms) -> Token {
    Token::new(format!("token-{value}"), span(lifetime)).unwrap()
}

fn number(token: &Token) -> u32 {
    token
        .value()
        .strip_prefix("token-")
        .unwrap()
        .parse()
        .unwrap()
}

const PREFIX: &str = "Bearer token-";

/// Lets the tasks that were just spawned get as far as they can at this moment.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
