//! What a sandbox knows: its credentials, tokens, switches and counts.
//!
//! Every decision is taken here, under one lock and against a given time; no
//! foreign code runs meanwhile.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::iter::repeat_with;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use super::Fault;
use crate::Credentials;

/// What a [`Sandbox`](super::Sandbox) saw and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Each `POST /v1/token`, whatever became of it.
    pub exchanges: u64,
    /// Tokens issued; handing one out once more is not another.
    pub issued: u64,
    /// Requests other than exchanges.
    pub requests: u64,
    /// Those of them that were answered with 401.
    pub unauthorized: u64,
}

/// The state that all handles and services of one sandbox share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    state: Arc<Mutex<State>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new())),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct State {
    credentials: Credentials,
    lifetime: Duration,
    latency: Duration,
    live: HashMap<String, Expiry>,
    latest: Option<(String, Expiry)>,
    fault: Option<Fault>,
    next_faults: VecDeque<(u32, Fault)>,
    reject_every: u32,
    rejectable: u64,
    counts: Counts,
    last_exchange: Option<Request<()>>,
}

/// `None` is past what the clock can express.
type Expiry = Option<Instant>;

impl State {
    fn new() -> Self {
        Self {
            credentials: generate_credentials(),
            lifetime: DEFAULT_LIFETIME,
            latency: Duration::ZERO,
            live: HashMap::new(),
            latest: None,
            fault: None,
            next_faults: VecDeque::new(),
            reject_every: 0,
            rejectable: 0,
            counts: Counts::default(),
            last_exchange: None,
        }
    }

    // What the handle switches and reads.

    pub(super) fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    pub(super) fn rotate_credentials(&mut self) -> Credentials {
        self.credentials = generate_credentials();
        self.credentials()
    }

    pub(super) fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    pub(super) fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    pub(super) fn revoke_tokens(&mut self) {
        self.live.clear();
    }

    pub(super) fn fail_exchanges(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    pub(super) fn fail_next_exchanges(&mut self, n: u32, fault: Fault) {
        self.next_faults.push_back((n, fault));
    }

    pub(super) fn heal(&mut self) {
        self.fault = None;
        self.next_faults.clear();
    }

    pub(super) fn reject_every_nth_request(&mut self, n: u32) {
        self.reject_every = n;
        self.rejectable = 0;
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn last_exchange(&self) -> Option<Request<()>> {
        self.last_exchange.clone()
    }

    // What the service asks and reports.

    pub(super) fn note_exchange(&mut self, head: Request<()>) {
        increment(&mut self.counts.exchanges);
        self.last_exchange = Some(head);
    }

    pub(super) fn latency(&self) -> Duration {
        self.latency
    }

    /// The fault of this exchange, taken off the queue.
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        while let Some((left, fault)) = self.next_faults.front_mut() {
            if let Some(less) = left.checked_sub(1) {
                *left = less;
                return Some(fault.clone());
            }
            self.next_faults.pop_front();
        }
        self.fault.clone()
    }

    pub(super) fn accepts(&self, client_id: &str, client_secret: &str) -> bool {
        client_id == self.credentials.client_id()
            && client_secret == self.credentials.expose_secret()
    }

    /// A new token and its lifetime.
    pub(super) fn issue(&mut self, now: Instant) -> (String, Duration) {
        let value = random_text(TOKEN_LENGTH);
        let expiry = now.checked_add(self.lifetime);
        self.live.insert(value.clone(), expiry);
        self.latest = Some((value.clone(), expiry));
        increment(&mut self.counts.issued);
        (value, self.lifetime)
    }

    /// The latest token and what is left of its lifetime.
    pub(super) fn repeat(&self, now: Instant) -> Option<(String, Duration)> {
        let (value, expiry) = self.latest.clone()?;
        let left = expiry.map_or(Duration::MAX, |at| at.saturating_duration_since(now));
        Some((value, left))
    }

    pub(super) fn note_request(&mut self) {
        increment(&mut self.counts.requests);
    }

    /// Whether the API lets a request with this token in.
    pub(super) fn admits(&mut self, token: Option<&str>, now: Instant) -> bool {
        let expiry = token.and_then(|token| self.live.get(token));
        let live = expiry.is_some_and(|expiry| expiry.is_none_or(|at| now < at));
        let admitted = live && !self.rejects_this_one();
        if !admitted {
            increment(&mut self.counts.unauthorized);
        }
        admitted
    }

    fn rejects_this_one(&mut self) -> bool {
        increment(&mut self.rejectable);
        self.rejectable.checked_rem(self.reject_every.into()) == Some(0)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("credentials", &self.credentials)
            .field("fault", &self.fault)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

fn generate_credentials() -> Credentials {
    Credentials::new(
        format!("sandbox_{}", random_text(16)),
        random_text(SECRET_LENGTH),
    )
}

fn random_text(length: usize) -> String {
    repeat_with(fastrand::alphanumeric).take(length).collect()
}

fn increment(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// What Fiskil calls typical.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(900);

/// About as long as the real ones.
const TOKEN_LENGTH: usize = 350;
const SECRET_LENGTH: usize = 48;
