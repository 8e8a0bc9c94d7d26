//! Processes that die, or stand still, at any step.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::endpoint::Mode;
use super::probe::{Fate, Operation};
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Kills the process at the operation of that number, before or after it takes
/// place. Returns whether it got so far.
async fn dies_at(world: &World, step: usize, fate: Fate, refresh: bool) -> bool {
    let process = world.process();
    if refresh {
        process.token().await;
    }
    let (reached, mut is_reached) = mpsc::unbounded_channel();
    let mut operations = 0;
    process.store.set(move |_| {
        operations += 1;
        if operations <= step {
            return Fate::Done;
        }
        let _ = reached.send(());
        fate
    });
    let tokens = process.tokens.clone();
    let fetch = tokio::spawn(async move {
        match refresh {
            true => tokens.refresh().await,
            false => tokens.token().await,
        }
    });
    let died = tokio::select! {
        biased;
        Some(()) = is_reached.recv() => true,
        _ = sleep(60 * SECOND) => false,
    };
    fetch.abort();
    died
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_step_is_replaced_within_a_lease() {
    for refresh in [false, true] {
        for fails in [false, true] {
            for fate in [Fate::Hangs, Fate::AnswerHangs] {
                let mut steps = 0;
                for step in 0..10 {
                    let world = World::new();
                    // With two extensions of the lease.
                    world.endpoint.set_latency(2500 * SECOND / 1000);
                    if refresh {
                        world.process().token().await;
                    }
                    if fails {
                        world
                            .endpoint
                            .set(Mode::Refuses(http::StatusCode::BAD_GATEWAY));
                    }
                    if !dies_at(&world, step, fate, refresh).await {
                        break;
                    }
                    steps += 1;
                    world.endpoint.set(Mode::Issues);
                    if fails {
                        // The hold that it may have left.
                        sleep(2 * SECOND).await;
                    }
                    let before = world.endpoint.posts();
                    let heirs = world.processes(20);
                    let from = Instant::now();
                    let tokens = join_all(heirs.iter().map(|heir| heir.token())).await;
                    let took = from.elapsed();
                    let what = format!("{fate:?} at {step}, {refresh}, {fails}: {took:?}");
                    assert!(took <= 3 * SECOND + 2500 * SECOND / 1000 + SECOND, "{what}");
                    assert!(tokens.iter().all(|token| *token == tokens[0]), "{what}");
                    assert!(world.endpoint.posts() <= before + 1, "{what}");
                }
                assert_eq!(steps, 4, "deciding, two extensions, the outcome");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_longer_than_the_lease_changes_nothing() {
    let world = World::new();
    world.endpoint.set_latency(2 * SECOND);
    let slow = world.process();
    // Its extension never gets there, and its publication comes late.
    slow.store.set(|operation| match operation {
        Operation::Extend => Fate::Hangs,
        Operation::Publish => Fate::Late(4 * SECOND),
        _ => Fate::Done,
    });
    let tokens = slow.tokens.clone();
    let late = tokio::spawn(async move { tokens.token().await });
    sleep(3100 * SECOND / 1000).await;
    let heir = world.process();
    assert_eq!(heir.token().await, "t2");
    late.await.unwrap().unwrap();
    sleep(10 * SECOND).await;
    assert_eq!(world.process().token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_dies_while_it_publishes_leaves_a_lock_for_a_lease_at_most() {
    let world = World::new();
    let dying = world.process();
    dying.store.set(|operation| match operation {
        Operation::Publish => Fate::Hangs,
        _ => Fate::Done,
    });
    let fetch = dying.tokens.token();
    assert!(timeout(SECOND, fetch).await.is_err());
    drop(dying);
    let from = Instant::now();
    world.process().token().await;
    assert!(from.elapsed() <= 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_with_little_time_left_leaves_the_exchange_to_the_next() {
    let world = World::new();
    world.endpoint.set(Mode::Hangs);
    let first = world.process();
    let tokens = first.tokens.clone();
    let fetch = tokio::spawn(async move { tokens.token().await });
    sleep(SECOND / 10).await;
    let waiter = world.process();
    let tokens = waiter.tokens.clone();
    let waiting = tokio::spawn(async move { tokens.token().await });
    sleep(4 * SECOND).await;
    // It dies when the waiter has under five seconds left by the end of the lease.
    first.store.set(|_| Fate::Fails);
    fetch.abort();
    drop(first);
    world.endpoint.set(Mode::Issues);
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_transient() && error.retry_after().is_none());
    assert_eq!(world.endpoint.posts(), 1);
    assert_eq!(waiter.token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn faults_at_random_fail_no_request_and_do_not_lock_the_fleet() {
    for seed in 0..60 {
        let world = World::new();
        fastrand::seed(seed);
        world.endpoint.set_lifetime(60 * SECOND);
        let mut fleet = world.processes(8);
        for process in &fleet {
            let mut rng = fastrand::Rng::with_seed(seed);
            process.store.set(move |_| match rng.u32(0..10) {
                0 => Fate::Fails,
                1 => Fate::AnswerLost,
                2 => Fate::Hangs,
                3 => Fate::AnswerHangs,
                4 => Fate::Late(Duration::from_millis(rng.u64(0..3000))),
                _ => Fate::Done,
            });
        }
        for round in 0..60 {
            let from = Instant::now();
            let all = fleet.iter().map(|process| process.request());
            for (status, token) in join_all(all).await {
                assert!(status.is_success(), "seed {seed}, round {round}: {token}");
            }
            // A lease that somebody left, the store's delay, an exchange.
            let took = from.elapsed();
            assert!(took <= 9 * SECOND, "seed {seed}, round {round}: {took:?}");
            if fastrand::u32(0..5) == 0 {
                let at = fastrand::usize(0..fleet.len());
                fleet[at] = world.process();
            }
            if fastrand::u32(0..20) == 0 {
                world.store.flush();
            }
            sleep(Duration::from_millis(fastrand::u64(0..20_000))).await;
        }
        // Once the faults are over, it is one fleet again within six seconds.
        for process in &fleet {
            process.store.set(|_| Fate::Done);
        }
        sleep(6 * SECOND).await;
        let before = world.endpoint.posts();
        let tokens = world.processes(8);
        let tokens = join_all(tokens.iter().map(|process| process.token())).await;
        assert!(
            tokens.iter().all(|token| *token == tokens[0]),
            "seed {seed}"
        );
        assert!(world.endpoint.posts() <= before + 1, "seed {seed}");
    }
}
