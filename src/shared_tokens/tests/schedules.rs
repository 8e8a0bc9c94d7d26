//! Two processes of a fleet, and all that can happen between them: each order of
//! their commands, answers and exchanges, with delays, lost messages and deaths.
//!
//! A schedule is what happens, step by step. By default it is the oldest that is
//! under way; every schedule with two departures from that is run, and random ones
//! with more.
//!
//! Mutations caught: a publication by whoever lost the lock; a lock that is not looked
//! at; a token that is held and handed out again.

mod schedule;

use self::schedule::{Scene, Schedule};

/// Plays a schedule: at each step what `choose` says of so many.
fn play(scene: Scene, mut choose: impl FnMut(usize) -> usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        fastrand::seed(1);
        let mut schedule = Schedule::new(scene).await;
        schedule.settle().await;
        while !schedule.is_over() {
            assert!(schedule.seen.len() < 500, "it never ends");
            let events = schedule.events();
            let event = events[choose(events.len())];
            schedule.happens(event).await;
        }
        schedule.ends_well().await;
    });
}

/// Plays one that departs from the default as `departures` say: at which step, and
/// to what. Returns how many choices there were at each step.
fn play_departing(scene: Scene, departures: &[(usize, usize)]) -> Vec<usize> {
    let mut choices = Vec::new();
    play(scene, |count| {
        let step = choices.len();
        choices.push(count);
        let departure = departures.iter().find(|(at, _)| *at == step);
        departure.map_or(0, |(_, to)| *to)
    });
    choices
}

const SCENES: [Scene; 4] = [Scene::Cold, Scene::Renewal, Scene::Rejection, Scene::Outage];

#[test]
fn no_schedule_with_two_departures_breaks_a_rule() {
    for scene in SCENES {
        let mut open = vec![Vec::new()];
        let mut played = 0;
        while let Some(departures) = open.pop() {
            played += 1;
            let choices = play_departing(scene, &departures);
            if departures.len() == 2 {
                continue;
            }
            let from = departures
                .last()
                .map_or(0, |(at, _): &(usize, usize)| at + 1);
            for (at, count) in choices.iter().enumerate().skip(from) {
                for to in 1..*count {
                    let mut next = departures.clone();
                    next.push((at, to));
                    open.push(next);
                }
            }
        }
        eprintln!("{scene:?}: {played} schedules");
        assert!(played > 500, "{scene:?}: {played}");
    }
}

#[test]
fn no_random_schedule_breaks_a_rule() {
    for seed in 0..2000 {
        let scene = SCENES[seed as usize % SCENES.len()];
        let mut rng = fastrand::Rng::with_seed(seed);
        play(scene, |count| match rng.u32(0..3) {
            0 => 0,
            _ => rng.usize(0..count),
        });
    }
}
