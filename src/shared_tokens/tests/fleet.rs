//! Fleets of up to thousands of processes, in paused time.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::{Instant, advance, sleep};

use super::endpoint::Mode;
use super::probe::{Fate, Operation};
use super::world::{World, credentials, keys};
use crate::Credentials;
use crate::source::Source;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn two_thousand_cold_starts_make_one_exchange() {
    let world = World::new();
    let fleet = world.processes(2000);
    let tokens = join_all(fleet.iter().map(|process| process.token())).await;
    assert!(tokens.iter().all(|token| token == "t1"));
    assert_eq!(world.endpoint.posts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_later_needs_one_command() {
    let world = World::new();
    let token = world.process().tokens.token().await.unwrap();
    assert_eq!(token.source(), Source::Minted);
    let later = world.process();
    let token = later.tokens.token().await.unwrap();
    assert_eq!((token.value(), token.source()), ("t1", Source::Shared));
    assert_eq!(later.store.operations(), [Operation::Decide]);
}

#[tokio::test(start_paused = true)]
async fn each_process_counts_its_own_exchanges_and_no_others() {
    let world = World::new();
    let fleet = world.processes(10);
    let count = || {
        let all = fleet.iter().map(|process| process.tokens.status());
        let counts = all.map(|status| (status.fetches, status.exchanges));
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    join_all(fleet.iter().map(|process| process.token())).await;
    assert_eq!(count(), (10, 1));
    for process in &fleet {
        process.tokens.refresh().await.unwrap();
    }
    assert_eq!(count(), (20, 2));
    // Failures as well: those that are heard of, put off, or waited for in vain.
    world.endpoint.set(Mode::Refuses(StatusCode::BAD_GATEWAY));
    for process in &fleet {
        process.tokens.refresh().await.unwrap_err();
    }
    assert_eq!(count(), (30, 3));
    world.endpoint.set(Mode::Hangs);
    sleep(2 * SECOND).await;
    join_all(fleet.iter().map(|process| process.tokens.refresh())).await;
    assert_eq!(count(), (40, 4));
    assert_eq!(world.endpoint.posts(), 4);
    // Where there is no store to hear it from, each makes one.
    world.endpoint.set(Mode::Issues);
    sleep(10 * SECOND).await;
    for process in &fleet {
        process.store.set(|_| Fate::Fails);
    }
    join_all(fleet.iter().map(|process| process.tokens.refresh())).await;
    assert_eq!(count(), (50, 14));
    assert_eq!(world.endpoint.posts(), 14);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_makes_two_exchanges_a_lifetime_at_most() {
    for count in [1, 10, 300] {
        let world = World::new();
        let fleet = world.processes(count);
        // Ten lifetimes, with a request each five seconds.
        for _ in 0..1800 {
            for process in &fleet {
                let (status, _) = process.request().await;
                assert_eq!(status, StatusCode::OK);
            }
            sleep(5 * SECOND).await;
        }
        let posts = world.endpoint.posts();
        assert!((11..=20).contains(&posts), "{count} processes: {posts}");
        assert_eq!(world.endpoint.most_running(), 1);
        let commands: usize = fleet.iter().map(|p| p.store.operations().len()).sum();
        let polls = 20 * 5;
        let a_lifetime = commands.saturating_sub(polls) as f64 / count as f64 / 10.0;
        assert!(a_lifetime <= 3.5, "{count} processes: {a_lifetime}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_counts_from_its_exchange_wherever_it_is() {
    let world = World::new();
    world.endpoint.set_latency(4 * SECOND);
    let (first, second) = (world.process(), world.process());
    first.token().await;
    advance(400 * SECOND).await;
    second.token().await;
    let left = |process: &super::world::Process| process.tokens.status().expires_in.unwrap();
    let (first, second) = (left(&first), left(&second));
    // Both give it up at the same time: ten seconds early, once.
    assert!(
        first.abs_diff(second) <= SECOND / 100,
        "{first:?} {second:?}"
    );
    assert!((485 * SECOND..=486 * SECOND).contains(&first), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_another_process_shortens_no_token() {
    let world = World::new();
    world.endpoint.set_latency(4 * SECOND);
    let (first, second) = (world.process(), world.process());
    tokio::join!(first.token(), second.token());
    for process in [first, second] {
        let left = process.tokens.status().expires_in.unwrap();
        assert!(left >= 885 * SECOND, "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_brings_another_token_and_others_follow_without_an_exchange() {
    let world = World::new();
    let (first, second) = (world.process(), world.process());
    assert_eq!(first.token().await, "t1");
    assert_eq!(second.token().await, "t1");
    assert_eq!(first.tokens.refresh().await.unwrap().value(), "t2");
    assert_eq!(second.tokens.refresh().await.unwrap().value(), "t2");
    assert_eq!(world.endpoint.posts(), 2);
    assert_eq!(world.process().token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_repeats_itself_is_asked_once_a_renewal() {
    let world = World::new();
    world.endpoint.set(Mode::Repeats);
    let fleet = world.processes(20);
    join_all(fleet.iter().map(|process| process.token())).await;
    for process in &fleet {
        process.tokens.refresh().await.unwrap();
    }
    assert_eq!(world.endpoint.posts(), 2);
    let all_same = fleet
        .iter()
        .map(|process| process.tokens.status().generation);
    assert!(all_same.into_iter().all(|generation| generation == 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_others_have_given_up_is_not_handed_out() {
    let world = World::new();
    let first = world.process();
    first.token().await;
    // Of 900 s, the last ten are not used.
    advance(Duration::from_millis(888_500)).await;
    let late = world.process();
    assert_eq!(late.token().await, "t1");
    let left = late.tokens.status().expires_in.unwrap();
    assert!(left <= 1500 * SECOND / 1000, "{left:?}");
    advance(Duration::from_millis(600)).await;
    assert_eq!(world.process().token().await, "t2");
    advance(Duration::from_millis(900)).await;
    assert_eq!(first.token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_not_worth_sharing_make_no_convoy() {
    let world = World::new();
    world.endpoint.set_latency(Duration::from_millis(2500));
    world.endpoint.set_lifetime(3 * SECOND);
    let fleet = world.processes(50);
    let from = Instant::now();
    join_all(fleet.iter().map(|process| process.token())).await;
    assert!(from.elapsed() < 6 * SECOND, "{:?}", from.elapsed());
    let note = world.store.get(&keys().names.token).unwrap();
    assert!(note.1.unwrap() <= 60 * SECOND);
    // Then they live long again, and that is noticed.
    world.endpoint.set_lifetime(900 * SECOND);
    advance(61 * SECOND).await;
    let before = world.endpoint.posts();
    let fleet = world.processes(50);
    join_all(fleet.iter().map(|process| process.token())).await;
    assert_eq!(world.endpoint.posts(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn old_and_new_secrets_other_ids_and_other_namespaces_do_not_meet() {
    let world = World::new();
    let other = [
        Credentials::new("client-id", "new-secret"),
        Credentials::new("other-id", "client-secret"),
    ];
    let mut fleet = world.processes(2);
    for pair in other {
        fleet.push(world.process_with(pair.clone()));
        fleet.push(world.process_with(pair));
    }
    for _ in 0..2 {
        fleet.push(world.process_in(credentials(), "another"));
    }
    let tokens = join_all(fleet.iter().map(|process| process.token())).await;
    for pair in tokens.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(world.endpoint.posts(), 4);
    let keys = world.store.keys();
    let of = |namespace: &str| {
        let is_of = |(key, _): &&(String, usize)| key.starts_with(&format!("{namespace}:{{"));
        keys.iter().filter(is_of).count()
    };
    assert_eq!((of("fiskil-auth"), of("another")), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn everything_stored_has_a_lifetime_and_is_small() {
    let world = World::new();
    let process = world.process();
    process.token().await;
    world
        .endpoint
        .set(Mode::Refuses(StatusCode::SERVICE_UNAVAILABLE));
    world.revoke("t1");
    process.request().await;
    sleep(SECOND).await;
    let keys = world.store.keys();
    assert!(keys.len() >= 3, "{keys:?}");
    let mut bytes = 0;
    for (key, size) in keys {
        bytes += size;
        let (_, left) = world.store.get(&key).unwrap();
        assert!(left.unwrap() <= 900 * SECOND, "{key}");
    }
    assert!(bytes < 1024, "{bytes}");
    advance(900 * SECOND).await;
    assert!(world.store.keys().is_empty());
}
