//! What a store must do, for each of the stores.

mod budget;
mod cases;

use std::time::Duration;

use super::redis_server::RedisServer;
use super::world::keys;
use crate::shared_tokens::memory::{MemoryStore, Value};
use crate::shared_tokens::protocol::{
    Answer, Ask, Exchange, LEASE, Lock, Names, Renewal, StoreTime, Unreadable, What, Written,
};
use crate::shared_tokens::redis_store::{Address, RedisStore};
use crate::shared_tokens::store::{Session, Store};

/// A store, and a way to put things there past it.
pub(super) trait Bed {
    fn session(&self) -> Box<dyn Session>;
    fn put(&self, key: &str, value: Value, left: Option<Duration>);
    /// What is there, and how long it lives.
    fn look(&self, key: &str) -> Option<(Value, Option<Duration>)>;
    fn clear(&self);
    /// How late the test may look.
    fn slack(&self) -> Duration;
}

impl Bed for MemoryStore {
    fn session(&self) -> Box<dyn Session> {
        Store::session(self)
    }

    fn put(&self, key: &str, value: Value, left: Option<Duration>) {
        self.set(key, value, left);
    }

    fn look(&self, key: &str) -> Option<(Value, Option<Duration>)> {
        self.get(key)
    }

    fn clear(&self) {
        self.flush();
    }

    fn slack(&self) -> Duration {
        Duration::ZERO
    }
}

impl Bed for RedisServer {
    fn session(&self) -> Box<dyn Session> {
        RedisStore::at(Address::parse(&self.url()).unwrap()).session()
    }

    fn put(&self, key: &str, value: Value, left: Option<Duration>) {
        let mut connection = self.connection();
        redis::cmd("DEL").arg(key).exec(&mut connection).unwrap();
        let set = match value {
            Value::Text(text) => redis::cmd("SET").arg(key).arg(text).exec(&mut connection),
            Value::Foreign => redis::cmd("RPUSH").arg(key).arg("x").exec(&mut connection),
        };
        set.unwrap();
        if let Some(left) = left {
            let left = left.as_millis() as u64;
            let expire = redis::cmd("PEXPIRE")
                .arg(key)
                .arg(left)
                .exec(&mut connection);
            expire.unwrap();
        }
    }

    fn look(&self, key: &str) -> Option<(Value, Option<Duration>)> {
        let mut connection = self.connection();
        let left: i64 = redis::cmd("PTTL").arg(key).query(&mut connection).unwrap();
        let left = match left {
            -2 => return None,
            left => u64::try_from(left).ok().map(Duration::from_millis),
        };
        let text = redis::cmd("GET").arg(key).query(&mut connection);
        Some((text.map_or(Value::Foreign, Value::Text), left))
    }

    fn clear(&self) {
        let () = self.run("FLUSHALL");
    }

    fn slack(&self) -> Duration {
        LEASE
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_conforms() {
    conforms(&MemoryStore::new()).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_store_in_redis_conforms() {
    conforms(&RedisServer::start()).await;
}

async fn conforms(bed: &dyn Bed) {
    let case = Case::new(bed);
    case.one_exchanges_and_others_wait().await;
    case.a_token_is_stored_by_the_owner_of_the_lock_alone()
        .await;
    case.a_token_goes_to_those_who_can_use_it().await;
    case.a_failure_holds_back_and_is_remembered().await;
    case.a_lock_lasts_a_lease().await;
    case.what_is_not_ours_is_passed_over().await;
    case.what_was_unreadable_is_passed_over().await;
    case.rejections_have_a_budget().await;
}

struct Case<'a> {
    bed: &'a dyn Bed,
    names: Names,
}

impl<'a> Case<'a> {
    fn new(bed: &'a dyn Bed) -> Self {
        let names = keys().names;
        Self { bed, names }
    }

    async fn decide(&self, ask: &Ask) -> What {
        self.answer(ask).await.what
    }

    async fn answer(&self, ask: &Ask) -> Answer {
        let mut session = self.bed.session();
        session.decide(&self.names, ask).await.unwrap()
    }

    /// The store's clock.
    async fn now(&self) -> StoreTime {
        let mut ask = ask(9);
        ask.exchange = Exchange::No;
        self.answer(&ask).await.now
    }

    async fn publish(&self, by: u8, entry: &[u8], left: Duration) -> Written {
        let expires = self.now().await.after(left);
        let mut session = self.bed.session();
        let lock = ask(by).lock;
        let publishing = session.publish(&self.names, &lock, entry, expires);
        publishing.await.unwrap()
    }

    async fn fail(&self, by: u8, entry: &[u8], left: Duration) -> Written {
        let forgotten = self.now().await.after(left);
        let mut session = self.bed.session();
        let lock = ask(by).lock;
        let failing = session.fail(&self.names, &lock, entry, forgotten);
        failing.await.unwrap()
    }

    async fn extend(&self, by: u8) -> Written {
        let mut session = self.bed.session();
        let lock = ask(by).lock;
        let extending = session.extend(&self.names, &lock);
        extending.await.unwrap()
    }

    fn near(&self, left: Option<Duration>, expected: Duration) {
        let left = left.unwrap();
        let slack = match self.bed.slack() {
            Duration::ZERO => Duration::ZERO,
            slack => slack.max(expected / 2),
        };
        let least = expected.saturating_sub(slack);
        assert!(least <= left && left <= expected, "{left:?}, {expected:?}");
    }

    fn left(&self, key: &str) -> Option<Duration> {
        self.bed.look(key).and_then(|(_, left)| left)
    }

    fn is_there(&self, key: &str) -> bool {
        self.bed.look(key).is_some()
    }

    /// A failure's entry that holds back for so many seconds from now on.
    async fn hold(&self, seconds: i64) -> Vec<u8> {
        let until = self.now().await.0.saturating_add_signed(seconds * 1000);
        let front = format!("\x01{until:015}");
        [front.as_bytes(), &[7; 40]].concat()
    }
}

pub(super) fn ask(by: u8) -> Ask {
    Ask {
        lock: Lock(vec![by; 32]),
        exchange: Exchange::IfNobodyElse,
        held: None,
        rejected: vec![],
        renewal: Renewal::Due,
        unreadable: Unreadable::default(),
    }
}

/// A token's entry, with all bytes that there are behind its front.
pub(super) fn token(tag: u8, id: u8) -> Vec<u8> {
    let mut entry = [vec![1], vec![tag; 16], vec![id; 8], vec![id; 12]].concat();
    entry.extend(0..=255);
    entry
}

const MINUTE: Duration = Duration::from_secs(60);
