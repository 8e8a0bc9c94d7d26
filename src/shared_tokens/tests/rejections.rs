//! Tokens that the API rejects, or a user invalidates.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::{advance, sleep};

use super::endpoint::Mode;
use super::probe::Fate;
use super::world::{World, keys};
use crate::ErrorKind;
use crate::shared_tokens::memory::Value;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_replaced_by_one_exchange_for_all() {
    let world = World::new();
    let fleet = world.processes(500);
    join_all(fleet.iter().map(|process| process.token())).await;
    world.revoke("t1");
    let answers = join_all(fleet.iter().map(|process| process.request())).await;
    assert!(answers.iter().all(|(_, token)| token == "t1"));
    let answers = join_all(fleet.iter().map(|process| process.request())).await;
    let ok = (StatusCode::OK, "t2".to_owned());
    assert!(answers.iter().all(|answer| *answer == ok));
    assert_eq!(world.endpoint.posts(), 2);
    assert_eq!(world.process().token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn who_saw_a_rejection_never_takes_that_token_again() {
    let world = World::new();
    let process = world.process();
    process.token().await;
    let name = keys().names.token;
    let (old, left) = world.store.get(&name).unwrap();
    world.revoke("t1");
    process.request().await;
    assert_eq!(process.request().await.1, "t2");
    // The store is put back to what it was.
    world.store.set(&name, old, left);
    let unaware = world.process();
    assert_eq!(unaware.token().await, "t1");
    assert_eq!(process.tokens.refresh().await.unwrap().value(), "t3");
}

#[tokio::test(start_paused = true)]
async fn while_a_rejected_token_is_renewed_others_may_still_get_it() {
    let world = World::new();
    let process = world.process();
    process.token().await;
    world.endpoint.set_latency(3 * SECOND);
    world.revoke("t1");
    process.request().await;
    sleep(SECOND).await;
    assert_eq!(world.process().token().await, "t1");
    sleep(3 * SECOND).await;
    assert_eq!(world.process().token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_is_replaced_though_the_store_has_it() {
    let world = World::new();
    let process = world.process();
    for n in 1..=6 {
        let token = process.tokens.token().await.unwrap();
        assert_eq!(token.value(), format!("t{n}"));
        process.tokens.invalidate(&token);
        // Nothing holds that back but the spacing of the process's own cache.
        advance(30 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_known_to_have_leaked_is_not_taken_from_the_store() {
    let world = World::new();
    let leaked = world.process().tokens.token().await.unwrap();
    // One that starts and hears of it before it has any token.
    let process = world.process();
    process.tokens.invalidate(&leaked);
    let error = process.tokens.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidToken);
    sleep(2 * SECOND).await;
    assert_eq!(process.token().await, "t2");
    assert_eq!(world.process().token().await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_invalidated_during_a_renewal_is_never_taken_again() {
    let world = World::new();
    let process = world.process();
    let first = process.tokens.token().await.unwrap();
    let name = keys().names.token;
    let (old, left) = world.store.get(&name).unwrap();
    let refresh = tokio::spawn({
        let tokens = process.tokens.clone();
        async move { tokens.refresh().await }
    });
    sleep(SECOND / 10).await;
    process.tokens.invalidate(&first);
    assert_eq!(refresh.await.unwrap().unwrap().value(), "t2");
    world.store.set(&name, old, left);
    assert_eq!(process.tokens.refresh().await.unwrap().value(), "t3");
    assert_eq!(process.tokens.status().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn while_a_dead_token_can_not_be_renewed_probes_say_why_and_not_that_it_is_put_off() {
    let world = World::new();
    let fleet = world.processes(10);
    join_all(fleet.iter().map(|process| process.token())).await;
    world.revoke("t1");
    world.endpoint.set(Mode::Refuses(StatusCode::UNAUTHORIZED));
    for _ in 0..600 {
        for process in &fleet {
            assert_eq!(process.request().await.0, StatusCode::UNAUTHORIZED);
            let error = process.tokens.token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
        }
        sleep(SECOND).await;
    }
    // As many as one process makes: after 1, 2, 4, 8, 16 s, and then 24 to 30 s.
    let posts = world.endpoint.posts();
    assert!((20..=30).contains(&posts), "{posts}");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_denies_costs_a_fleet_what_it_costs_one_process() {
    let mut posts = Vec::new();
    for count in [1, 200] {
        let world = World::new();
        let fleet = world.processes(count);
        join_all(fleet.iter().map(|process| process.token())).await;
        let before = world.endpoint.posts();
        for second in 0..600 {
            for (n, process) in fleet.iter().enumerate() {
                if matches!((second + n) % 20, 0) {
                    process.request_to("/denied").await;
                }
                let (status, _) = process.request().await;
                assert_eq!(status, StatusCode::OK);
            }
            sleep(SECOND).await;
        }
        posts.push(world.endpoint.posts() - before);
    }
    let (one, fleet) = (posts[0], posts[1]);
    assert!(fleet <= one + 1, "{fleet} instead of {one}");
}

#[tokio::test(start_paused = true)]
async fn processes_that_each_meet_a_denied_route_once_have_one_budget() {
    let world = World::new();
    for _ in 0..30 {
        // Its own cache would renew at once.
        let process = world.process();
        let (status, _) = process.request_to("/denied").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let (status, _) = process.request().await;
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(world.endpoint.posts(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_really_died_is_replaced_also_beyond_the_budget() {
    let world = World::new();
    let fleet = world.processes(10);
    join_all(fleet.iter().map(|process| process.token())).await;
    // The budget is spent, by a burst of revocations.
    for n in 1..=8 {
        world.revoke(&format!("t{n}"));
        let mut waited = Duration::ZERO;
        loop {
            let answers = join_all(fleet.iter().map(|process| process.request())).await;
            if answers.iter().all(|(status, _)| status.is_success()) {
                break;
            }
            sleep(SECOND / 2).await;
            waited += SECOND / 2;
            assert!(waited <= 40 * SECOND, "revocation {n}");
        }
    }
    assert_eq!(world.endpoint.posts(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_forged_budget_delays_a_renewal_and_nothing_else() {
    for budget in [
        "",
        "x",
        "99999999999999999 99999999999999999",
        "-1 -1",
        "1700001200000 1700000000000",
    ] {
        let world = World::new();
        let process = world.process();
        process.token().await;
        let text = Value::Text(budget.into());
        world.store.set(&keys().names.rejections, text, None);
        world.revoke("t1");
        let mut seconds = 0;
        while !process.request().await.0.is_success() {
            sleep(SECOND).await;
            seconds += 1;
            assert!(seconds <= 30, "{budget}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_process_returns_to_a_token_that_it_saw_rejected_whatever_happens() {
    let name = keys().names.token;
    let mut rejections = 0;
    for seed in 0..40 {
        let world = World::new();
        fastrand::seed(seed);
        let fleet = world.processes(6);
        for process in &fleet {
            let mut rng = fastrand::Rng::with_seed(seed);
            process.store.set(move |_| match rng.u32(0..12) {
                0 => Fate::Fails,
                1 => Fate::AnswerLost,
                2 => Fate::AnswerHangs,
                3 => Fate::Late(Duration::from_millis(rng.u64(0..2000))),
                _ => Fate::Done,
            });
        }
        let mut rejected = vec![HashSet::new(); fleet.len()];
        let mut last = vec![String::new(); fleet.len()];
        let mut backup = None;
        for round in 0..60 {
            let all = fleet.iter().map(|process| process.request());
            for (at, (status, token)) in join_all(all).await.into_iter().enumerate() {
                let returned = token != last[at] && rejected[at].contains(&token);
                assert!(!returned, "seed {seed}, round {round}: {token}");
                if status == StatusCode::UNAUTHORIZED {
                    rejected[at].insert(token.clone());
                }
                last[at] = token;
            }
            match fastrand::u32(0..8) {
                0 => world.revoke(&last[fastrand::usize(0..last.len())]),
                1 => backup = world.store.get(&name),
                2 => {
                    if let Some((value, left)) = backup.clone() {
                        world.store.set(&name, value, left);
                    }
                }
                3 => world.store.flush(),
                _ => {}
            }
            sleep(Duration::from_millis(fastrand::u64(0..60_000))).await;
        }
        rejections += rejected.iter().map(HashSet::len).sum::<usize>();
    }
    assert!(rejections > 500, "{rejections}");
}
