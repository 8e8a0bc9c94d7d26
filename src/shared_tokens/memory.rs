//! A store in memory for tests in paused time, which does what the scripts do.

mod budget;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use self::budget::{pay, plausible, rejection_wait};
use super::protocol::{
    Answer, Ask, Exchange, HOLD_ENTRY, HOLD_FRONT, LEASE, LOCK_LENGTH, Lock, MAX_HOLD, MIN_LEFT,
    Names, Renewal, StoreTime, TOKEN_ENTRY, VERSION, What, Written,
};
use super::store::{Session, Store, StoreFuture};

/// Clones are the same store.
#[derive(Clone)]
pub(super) struct MemoryStore {
    state: Arc<Mutex<State>>,
}

struct State {
    values: HashMap<String, Stored>,
    started: Instant,
    clock: u64,
}

#[derive(Clone)]
struct Stored {
    value: Value,
    expires: Option<StoreTime>,
}

/// What a key may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Vec<u8>),
    /// A list, a hash, or another type that is none of ours.
    Foreign,
}

impl MemoryStore {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                values: HashMap::new(),
                started: Instant::now(),
                clock: 1_700_000_000_000,
            })),
        }
    }

    pub(super) fn set(&self, key: &str, value: Value, left: Option<Duration>) {
        let mut state = self.lock();
        let expires = left.map(|left| state.now().after(left));
        state
            .values
            .insert(key.to_owned(), Stored { value, expires });
    }

    pub(super) fn get(&self, key: &str) -> Option<(Value, Option<Duration>)> {
        let state = self.lock();
        let stored = state.find(key)?;
        let left = stored.expires.map(|expires| expires.since(state.now()));
        Some((stored.value.clone(), left))
    }

    pub(super) fn flush(&self) {
        self.lock().values.clear();
    }

    /// All keys, with the bytes that they and their values take.
    pub(super) fn keys(&self) -> Vec<(String, usize)> {
        let state = self.lock();
        let size = |key: &String| match state.find(key)?.value {
            Value::Text(ref text) => Some((key.clone(), key.len() + text.len())),
            Value::Foreign => None,
        };
        state.values.keys().filter_map(size).collect()
    }

    /// Sets the clock. Lifetimes are instants, so that they shift along.
    pub(super) fn set_clock(&self, by: i64) {
        let mut state = self.lock();
        state.clock = state.clock.saturating_add_signed(by);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn now(&self) -> StoreTime {
        StoreTime(self.clock).after(self.started.elapsed())
    }

    fn find(&self, key: &str) -> Option<&Stored> {
        let now = self.now();
        let stored = self.values.get(key)?;
        stored
            .expires
            .is_none_or(|expires| now < expires)
            .then_some(stored)
    }

    /// Nothing for what is missing, foreign, or of a length that none of ours has.
    fn read(&self, key: &str, lengths: RangeInclusive<usize>) -> Vec<u8> {
        match self.find(key).map(|stored| &stored.value) {
            Some(Value::Text(text)) if lengths.contains(&text.len()) => text.clone(),
            _ => Vec::new(),
        }
    }

    fn left(&self, key: &str) -> Option<Duration> {
        Some(self.find(key)?.expires?.since(self.now()))
    }

    fn write(&mut self, key: &str, value: &[u8], expires: StoreTime) {
        let value = Value::Text(value.to_vec());
        let expires = Some(expires);
        self.values
            .insert(key.to_owned(), Stored { value, expires });
    }

    fn decide(&mut self, names: &Names, ask: &Ask) -> What {
        let now = self.now();
        let token = self.read(&names.token, TOKEN_ENTRY);
        if token.first() == Some(&VERSION) && !starts_with(&token, &ask.unreadable.token) {
            let tag = token.get(1..17).unwrap_or_default();
            let id = token.get(17..25).unwrap_or_default();
            let is_held = ask
                .held
                .is_some_and(|(held, from)| held == *tag && from.is_none_or(|from| from == *id));
            let is_rejected = ask.rejected.iter().any(|rejected| *rejected == *tag);
            let left = self.left(&names.token);
            if !is_held && !is_rejected && left.is_none_or(|left| left >= MIN_LEFT) {
                return What::Token { entry: token, left };
            }
        }

        let mut hold = self.read(&names.hold, HOLD_ENTRY);
        if hold.first() != Some(&VERSION) || starts_with(&hold, &ask.unreadable.hold) {
            hold.clear();
        }
        let until = hold.get(1..HOLD_FRONT).unwrap_or_default();
        let until = std::str::from_utf8(until).unwrap_or_default().parse();
        let left = StoreTime(until.unwrap_or_default()).since(now);
        if !left.is_zero() && left <= MAX_HOLD {
            return What::Hold { entry: hold, left };
        }

        let found = self.read(&names.lock, LOCK_LENGTH..=LOCK_LENGTH);
        let is_own = found == ask.lock.0;
        if !found.is_empty() && !is_own && found != ask.unreadable.lock {
            if self.left(&names.lock).is_none_or(|left| left > LEASE) {
                self.write(&names.lock, &found, now.after(LEASE));
            }
            return What::Wait { lock: found };
        }

        if ask.exchange == Exchange::No {
            return What::Free;
        }

        let (mut paid, mut last) = self.budget(&names.rejections);
        if !plausible(paid, last, now) {
            (paid, last) = (StoreTime(0), StoreTime(0));
        }
        // After a failure the hold has spaced it, and the one that failed has paid.
        let pays = ask.renewal != Renewal::Due && !is_own && hold.is_empty();
        if pays {
            let left = rejection_wait(ask.renewal, paid, last, now);
            if !left.is_zero() {
                return What::Spaced { left };
            }
        }

        self.write(&names.lock, &ask.lock.0, now.after(LEASE));
        if pays {
            let paid = pay(paid, now);
            let budget = format!("{} {}", paid.0, now.0);
            self.write(&names.rejections, budget.as_bytes(), paid);
        }
        What::Exchange { before: hold }
    }

    fn budget(&self, key: &str) -> (StoreTime, StoreTime) {
        let budget = String::from_utf8(self.read(key, 3..=64)).unwrap_or_default();
        let parse = |text: &str| Some(StoreTime(text.parse().ok()?));
        let budget = budget.split_once(' ');
        budget
            .and_then(|(paid, last)| Some((parse(paid)?, parse(last)?)))
            .unwrap_or((StoreTime(0), StoreTime(0)))
    }

    fn holds(&self, names: &Names, lock: &Lock) -> bool {
        self.read(&names.lock, LOCK_LENGTH..=LOCK_LENGTH) == lock.0
    }
}

impl Store for MemoryStore {
    fn session(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }
}

impl Session for MemoryStore {
    fn decide<'a>(&'a mut self, names: &'a Names, ask: &'a Ask) -> StoreFuture<'a, Answer> {
        Box::pin(async move {
            let mut state = self.lock();
            let now = state.now();
            let what = state.decide(names, ask);
            Ok(Answer { now, what })
        })
    }

    fn publish<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        expires: StoreTime,
    ) -> StoreFuture<'a, Written> {
        Box::pin(async move {
            let mut state = self.lock();
            if !state.holds(names, lock) {
                return Ok(Written::NotOurs);
            }
            if expires > state.now() {
                state.write(&names.token, entry, expires);
            }
            state.values.remove(&names.hold);
            state.values.remove(&names.lock);
            Ok(Written::Done)
        })
    }

    fn fail<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        forgotten: StoreTime,
    ) -> StoreFuture<'a, Written> {
        Box::pin(async move {
            let mut state = self.lock();
            if !state.holds(names, lock) {
                return Ok(Written::NotOurs);
            }
            if !entry.is_empty() && forgotten > state.now() {
                state.write(&names.hold, entry, forgotten);
            }
            state.values.remove(&names.lock);
            Ok(Written::Done)
        })
    }

    fn extend<'a>(&'a mut self, names: &'a Names, lock: &'a Lock) -> StoreFuture<'a, Written> {
        Box::pin(async move {
            let mut state = self.lock();
            if !state.holds(names, lock) {
                return Ok(Written::NotOurs);
            }
            let leased = state.now().after(LEASE);
            state.write(&names.lock, &lock.0, leased);
            Ok(Written::Done)
        })
    }
}

fn starts_with(text: &[u8], front: &[u8]) -> bool {
    !front.is_empty() && text.starts_with(front)
}
