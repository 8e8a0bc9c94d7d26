//! The token endpoint fails, and the fleet bears it as one process would.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::{Instant, advance, sleep};

use super::endpoint::Mode;
use super::world::{World, keys};
use crate::{Credentials, ErrorKind};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_fleet_in_an_outage_makes_as_many_exchanges_as_one_process() {
    let mut posts = Vec::new();
    for count in [1, 200] {
        let world = World::new();
        world
            .endpoint
            .set(Mode::Refuses(StatusCode::SERVICE_UNAVAILABLE));
        let fleet = world.processes(count);
        for _ in 0..600 {
            join_all(fleet.iter().map(|process| process.tokens.token())).await;
            sleep(SECOND).await;
        }
        posts.push(world.endpoint.posts());
        // And it recovers as fast.
        world.endpoint.set(Mode::Issues);
        let from = Instant::now();
        while fleet[0].tokens.token().await.is_err() {
            sleep(SECOND / 10).await;
        }
        assert!(from.elapsed() <= 31 * SECOND, "{:?}", from.elapsed());
        let tokens = join_all(fleet.iter().map(|process| process.token())).await;
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }
    let (one, fleet) = (posts[0], posts[1]);
    assert!((20..=30).contains(&one), "{one}");
    assert!(fleet.abs_diff(one) <= 3, "{fleet} instead of {one}");
}

#[tokio::test(start_paused = true)]
async fn the_fifth_failure_takes_the_fifth_step_whoever_makes_it() {
    let world = World::new();
    world.endpoint.set(Mode::Refuses(StatusCode::BAD_GATEWAY));
    for step in [1, 2, 4, 8, 16, 24, 24] {
        let error = world.process().tokens.token().await.unwrap_err();
        let hold = error.retry_after().unwrap();
        let expected = step * SECOND..=step * SECOND * 5 / 4;
        assert!(expected.contains(&hold), "{step}: {hold:?}");
        // The others are told the same, and do not ask.
        let posts = world.endpoint.posts();
        let other = world.process().tokens.token().await.unwrap_err();
        let left = other.retry_after().unwrap();
        assert!(left <= hold && left + SECOND / 10 >= hold, "{left:?}");
        assert_eq!(world.endpoint.posts(), posts);
        sleep(hold).await;
    }
    // A success forgets them.
    world.endpoint.set(Mode::Issues);
    let process = world.process();
    process.token().await;
    world.endpoint.set(Mode::Refuses(StatusCode::BAD_GATEWAY));
    let error = process.tokens.refresh().await.unwrap_err();
    assert!(error.retry_after().unwrap() <= SECOND * 5 / 4);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_hold_longer() {
    let world = World::new();
    world.endpoint.set(Mode::Refuses(StatusCode::BAD_GATEWAY));
    world.process().tokens.token().await.unwrap_err();
    world.endpoint.set(Mode::Issues);
    world.store.set_clock(-200_000);
    world.process().token().await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_come_back_later_is_heard_by_the_whole_fleet() {
    let world = World::new();
    world.endpoint.set(Mode::RefusesUntil(120 * SECOND));
    let fleet = world.processes(100);
    let outcomes = join_all(fleet.iter().map(|process| process.tokens.token())).await;
    assert_eq!(world.endpoint.posts(), 1);
    for error in outcomes.into_iter().map(Result::unwrap_err) {
        let left = error.retry_after().unwrap();
        // Stretched by a tenth at most, and the same for all.
        assert!((119 * SECOND..=132 * SECOND).contains(&left), "{left:?}");
    }
    world.endpoint.set(Mode::Issues);
    advance(118 * SECOND).await;
    fleet[1].tokens.token().await.unwrap_err();
    advance(15 * SECOND).await;
    fleet[1].tokens.token().await.unwrap();
    assert_eq!(world.endpoint.posts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_same_in_every_process() {
    let world = World::new();
    world.endpoint.set(Mode::Refuses(StatusCode::UNAUTHORIZED));
    let fleet = world.processes(50);
    for process in &fleet {
        let error = process.tokens.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(error.error_id(), Some("err_1"));
        assert_eq!(error.error_name(), Some("unauthorized"));
        assert!(!error.is_transient());
    }
    assert_eq!(world.endpoint.posts(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_hangs_ends_for_all_and_is_shared() {
    let world = World::new();
    world.endpoint.set(Mode::Hangs);
    let fleet = world.processes(20);
    let from = Instant::now();
    let outcomes = join_all(fleet.iter().map(|process| process.tokens.token())).await;
    assert!(from.elapsed() <= 10 * SECOND);
    let is_timeout = |error: &crate::Error| error.kind() == ErrorKind::Timeout;
    assert!(outcomes.iter().all(|o| o.as_ref().is_err_and(is_timeout)));
    assert_eq!(world.endpoint.posts(), 1);
    world.endpoint.set(Mode::Issues);
    sleep(2 * SECOND).await;
    join_all(fleet.iter().map(|process| process.token())).await;
    assert_eq!(world.endpoint.posts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_panics_is_a_failure_of_the_fleet_and_leaves_no_lock() {
    for (mode, after) in [
        (Mode::Panics, SECOND),
        (Mode::HangsAndPanicsWhenDropped, 10 * SECOND),
    ] {
        let world = World::new();
        world.endpoint.set(mode);
        let fleet = world.processes(20);
        let from = Instant::now();
        let outcomes = join_all(fleet.iter().map(|process| process.tokens.token())).await;
        assert!(from.elapsed() <= after, "{:?}", from.elapsed());
        for error in outcomes.into_iter().map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::TokenService);
        }
        assert_eq!(world.endpoint.posts(), 1);
        assert!(world.store.get(&keys().names.lock).is_none());
        // The next one is made by the first that comes after the hold.
        world.endpoint.set(Mode::Issues);
        sleep(2 * SECOND).await;
        join_all(fleet.iter().map(|process| process.token())).await;
        assert_eq!(world.endpoint.posts(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_process_holds_no_other_back() {
    let world = World::new();
    world.endpoint.set(Mode::Misconfigured);
    let error = world.process().tokens.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.retry_after().is_some(), "its own spacing");
    assert!(world.store.keys().is_empty(), "neither a hold nor a lock");
    world.endpoint.set(Mode::Issues);
    // The pair of this one can't be sent at all, so nothing is asked.
    let broken = world.process_with(Credentials::new("client-id", ""));
    broken.tokens.token().await.unwrap_err();
    assert!(world.store.keys().is_empty());
    world.process().token().await;
    assert_eq!(world.endpoint.posts(), 2);
}
