//! A store that fails, is slow, is flushed, or has its clock set.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep};

use super::endpoint::Mode;
use super::probe::{Fate, Operation};
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn whatever_the_store_does_requests_succeed_within_two_seconds_more() {
    let fates = [
        Fate::Fails,
        Fate::AnswerLost,
        Fate::Hangs,
        Fate::AnswerHangs,
        Fate::Late(900 * SECOND / 1000),
        Fate::Late(30 * SECOND),
    ];
    for fate in fates {
        for operation in [
            Operation::Decide,
            Operation::Publish,
            Operation::Fail,
            Operation::Extend,
        ] {
            let world = World::new();
            world.endpoint.set_latency(2500 * SECOND / 1000);
            let process = world.process();
            process.store.set(move |asked| match asked == operation {
                true => fate,
                false => Fate::Done,
            });
            let from = Instant::now();
            process.token().await;
            let took = from.elapsed();
            let limit = Duration::from_millis(2500 + 2600);
            assert!(took <= limit, "{fate:?} on {operation:?}: {took:?}");
            // It works again as soon as the store does, a lease later at most.
            process.store.set(|_| Fate::Done);
            sleep(6 * SECOND).await;
            let other = world.process();
            other.token().await;
            assert_eq!(world.process().token().await, other.token().await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_without_the_store_does_not_publish() {
    let world = World::new();
    let process = world.process();
    process.store.set(|_| Fate::Fails);
    assert_eq!(process.token().await, "t1");
    assert_eq!(process.store.operations(), [Operation::Decide]);
    assert!(world.store.keys().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flushed_store_is_filled_again_by_the_next_fetch() {
    let world = World::new();
    let (first, second) = (world.process(), world.process());
    first.token().await;
    world.store.flush();
    assert_eq!(second.token().await, "t2");
    assert_eq!(world.process().token().await, "t2");
    assert_eq!(first.tokens.refresh().await.unwrap().value(), "t2");
}

#[tokio::test(start_paused = true)]
async fn no_clock_of_the_store_makes_a_token_outlive_itself() {
    for by in [-3_600_000, -1_000_000, 3_600_000] {
        let world = World::new();
        let process = world.process();
        process.token().await;
        world.store.set_clock(by);
        let later = world.process();
        later.token().await;
        let left = later.tokens.status().expires_in.unwrap();
        assert!(left <= 890 * SECOND, "{by}: {left:?}");
        // Nor does it keep a failure or a lock longer than it would.
        world
            .endpoint
            .set(Mode::Refuses(StatusCode::SERVICE_UNAVAILABLE));
        later.tokens.refresh().await.unwrap_err();
        world.store.set_clock(-2 * by);
        world.endpoint.set(Mode::Issues);
        sleep(6 * SECOND).await;
        later.tokens.refresh().await.unwrap();
    }
}
