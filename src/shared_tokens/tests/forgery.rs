//! What others write under our keys.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::{Instant, sleep};

use super::endpoint::Mode;
use super::world::{World, credentials, keys};
use crate::Credentials;
use crate::shared_tokens::keys::Keys;
use crate::shared_tokens::memory::Value;

const SECOND: Duration = Duration::from_secs(1);

fn values() -> Vec<Value> {
    let mut later = vec![0; 100];
    later[0] = 2;
    let mut similar = later.clone();
    similar[0] = 1;
    let mut held = b"\x01001700000200000".to_vec();
    held.resize(60, 7);
    vec![
        Value::Foreign,
        Value::Text(b"".to_vec()),
        Value::Text(b"\x01".to_vec()),
        Value::Text(b"garbage".to_vec()),
        Value::Text(vec![b'x'; 32]),
        Value::Text(later),
        Value::Text(similar),
        Value::Text(held),
        Value::Text(vec![1; 1024 * 1024]),
    ]
}

#[tokio::test(start_paused = true)]
async fn whatever_stands_under_a_key_costs_one_exchange_at_most() {
    let names = keys().names;
    for name in [&names.token, &names.hold, &names.lock, &names.rejections] {
        for value in values() {
            for left in [None, Some(3600 * SECOND)] {
                let world = World::new();
                world.store.set(name, value.clone(), left);
                let fleet = world.processes(20);
                let from = Instant::now();
                let tokens = join_all(fleet.iter().map(|process| process.token())).await;
                let took = from.elapsed();
                assert!(took <= 4 * SECOND, "{name}: {value:?}: {took:?}");
                assert!(
                    tokens.iter().all(|token| token == "t1"),
                    "{name}: {value:?}"
                );
                assert_eq!(world.endpoint.posts(), 1);
                // It is overwritten, and what is of ours has a lifetime.
                let (_, left) = world.store.get(&names.token).unwrap();
                assert!(left.is_some());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_outlived_its_owner_costs_a_lease() {
    for left in [None, Some(3600 * SECOND)] {
        let world = World::new();
        let lock = keys().lock().unwrap().0;
        world.store.set(&keys().names.lock, Value::Text(lock), left);
        let fleet = world.processes(20);
        let from = Instant::now();
        join_all(fleet.iter().map(|process| process.token())).await;
        assert!(from.elapsed() <= 4 * SECOND, "{:?}", from.elapsed());
        assert_eq!(world.endpoint.posts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_lock_that_is_kept_costs_nothing() {
    let world = World::new();
    let store = world.store.clone();
    let name = keys().names.lock;
    let vandal = tokio::spawn(async move {
        for n in 0_u32.. {
            let mut lock = vec![b'x'; 32];
            lock[..4].copy_from_slice(&n.to_be_bytes());
            store.set(&name, Value::Text(lock), Some(10 * SECOND));
            sleep(SECOND / 100).await;
        }
    });
    sleep(SECOND).await;
    let process = world.process();
    let from = Instant::now();
    process.token().await;
    assert!(from.elapsed() <= SECOND);
    vandal.abort();
}

#[tokio::test(start_paused = true)]
async fn the_token_of_others_is_not_taken() {
    let world = World::new();
    let others = Credentials::new("client-id", "another-secret");
    world.process_with(others.clone()).token().await;
    let others = Keys::new("fiskil-auth", &others).unwrap();
    let (entry, left) = world.store.get(&others.names.token).unwrap();
    world.store.set(&keys().names.token, entry, left);
    assert_eq!(world.process().token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_no_longer_than_it_was_made() {
    let world = World::new();
    world.endpoint.set(Mode::Refuses(StatusCode::BAD_GATEWAY));
    world.process().tokens.token().await.unwrap_err();
    let own = Keys::new("fiskil-auth", &credentials()).unwrap();
    let (Value::Text(mut entry), _) = world.store.get(&own.names.hold).unwrap() else {
        panic!("no text");
    };
    // Five minutes more, in the digits that the store reads.
    let until: u64 = std::str::from_utf8(&entry[1..16]).unwrap().parse().unwrap();
    entry[1..16].copy_from_slice(format!("{:015}", until + 300_000).as_bytes());
    world
        .store
        .set(&own.names.hold, Value::Text(entry), Some(600 * SECOND));
    world.endpoint.set(Mode::Issues);
    world.process().token().await;
}
