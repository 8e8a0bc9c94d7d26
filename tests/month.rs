//! A month of requests, fast-forwarded: how many exchanges it takes, what an
//! outage in the middle does, and that nothing piles up.
//!
//! Guarantees 6 (the token endpoint is not pressed), 7 (outages stay invisible), 8
//! (recovery without a restart) and 13 (no work while idle).
//!
//! Mutations caught:
//! - renewals from 40 % or from 80 % on: the first two
//! - a refresh point drawn anew for each request: `a_day_of_requests_…`
//! - a spacing that does not grow, or grows without a cap: `an_hour_of_outage_…`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod support;

use std::alloc::System;
use std::time::Duration;

use fiskil_auth::FiskilAuthLayer;
use http::{Request, StatusCode};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Tokens, layer};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Held by each test, since live bytes are counted for the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// In seconds, as all durations here.
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// Of each token, in seconds.
const LIFETIME: u64 = 900;

#[tokio::test(start_paused = true)]
async fn a_month_of_requests_a_minute_renews_each_token_once_at_60_to_80_percent() {
    let _alone = ALONE.lock().await;
    let mut month = Month::new();
    month.live(30 * DAY, MINUTE).await;
    // A renewal starts with the first request after the drawn point.
    let exchanges = u64::from(month.tokens.exchanges());
    let fewest = 30 * DAY / (LIFETIME * 8 / 10 + MINUTE);
    let most = 30 * DAY / (LIFETIME * 6 / 10) + 1;
    assert!((fewest..=most).contains(&exchanges), "{exchanges}");
    assert_eq!(month.failed, 0);
    // The points are spread evenly: on average, a renewal comes at 70 % or up to a
    // minute later.
    let usual = 30 * DAY / (LIFETIME * 7 / 10 + MINUTE)..=30 * DAY / (LIFETIME * 7 / 10);
    assert!(usual.contains(&exchanges), "{exchanges}");
}

#[tokio::test(start_paused = true)]
async fn a_day_of_requests_a_second_renews_each_token_once_at_60_to_80_percent() {
    let _alone = ALONE.lock().await;
    let mut month = Month::new();
    month.live(DAY, 1).await;
    let exchanges = u64::from(month.tokens.exchanges());
    let fewest = DAY / (LIFETIME * 8 / 10 + 1);
    let most = DAY / (LIFETIME * 6 / 10) + 1;
    assert!((fewest..=most).contains(&exchanges), "{exchanges}");
    assert_eq!(month.failed, 0);
    // Drawn anew for each request, the point would come early on average.
    let usual = DAY / (LIFETIME * 73 / 100)..=DAY / (LIFETIME * 67 / 100);
    assert!(usual.contains(&exchanges), "{exchanges}");
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_outage_costs_spaced_fetches_and_no_request_while_the_token_lives() {
    let _alone = ALONE.lock().await;
    for (days, every) in [(15, MINUTE), (1, 1)] {
        let mut month = Month::new();
        month.live(days * DAY, every).await;
        let before = u64::from(month.tokens.exchanges());
        month.tokens.fail("down");
        month.live(60 * MINUTE, every).await;
        let during = u64::from(month.tokens.exchanges()) - before;
        issue(&month.tokens);
        let failed = month.failed;
        month.live(30, every.min(30)).await;
        let recovering = month.failed - failed;
        month.live(days * DAY, every).await;

        // Every 24 to 30 s, after steps that take 55 s; and no more than one per
        // request.
        let hour = 60 * MINUTE;
        let most = (hour / every).min(hour / 24 + 6);
        let from = LIFETIME * 8 / 10 + every;
        let fewest = (hour - from) / 30u64.next_multiple_of(every);
        assert!(
            (fewest..=most).contains(&during),
            "{during} every {every} s"
        );
        // When the outage begins, the token has at least a fifth of its life left,
        // and at most all of it; less the margin.
        let longest_without = hour - (LIFETIME / 5 - 10) + every;
        let shortest_without = hour - (LIFETIME - 10);
        let without = shortest_without / every..=longest_without / every;
        assert!(without.contains(&failed), "{failed} every {every} s");
        assert!(recovering <= 30 / every, "{recovering} every {every} s");
        assert_eq!(month.failed, failed + recovering, "every {every} s");
    }
}

/// A service in use for a month, one request after the other.
struct Month {
    tokens: Tokens,
    layer: FiskilAuthLayer,
    failed: u64,
    /// When the request that renewed the token was sent.
    renewed: Instant,
    generation: u64,
}

impl Month {
    fn new() -> Self {
        let tokens = Tokens::new();
        issue(&tokens);
        Self {
            layer: layer(&tokens),
            tokens,
            failed: 0,
            renewed: Instant::now(),
            generation: 0,
        }
    }

    /// Sends a request every so many seconds.
    async fn live(&mut self, seconds: u64, every: u64) {
        let mut service = self.layer.layer(service_fn(async |_: Request<()>| {
            Ok::<_, tower::BoxError>(http::Response::new(()))
        }));
        let cache = self.layer.tokens();
        let mut live = None;
        for n in 0..seconds / every {
            let request = service.ready().await.unwrap().call(Request::new(()));
            let sent = Instant::now();
            let status = request.await.unwrap().status();
            let age = Instant::now() - self.renewed;
            if status != StatusCode::OK {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                assert!(age >= Duration::from_secs(LIFETIME - 10), "{age:?}");
                self.failed += 1;
            }
            sleep(Duration::from_secs(every)).await;
            if cache.status().generation != self.generation {
                self.generation = cache.status().generation;
                self.renewed = sent;
            }
            if (n * every) % DAY == 0 {
                let tasks = Handle::current().metrics().num_alive_tasks();
                assert!(tasks <= 1, "{tasks}");
                // The slack is for the test harness's own threads. A leak of 20 B per
                // fetch would exceed it.
                let most = *live.get_or_insert_with(|| live_bytes() + 65_536);
                assert!(live_bytes() <= most, "{} > {most}", live_bytes());
            }
        }
    }
}

fn issue(tokens: &Tokens) {
    tokens.issue_after(Duration::from_millis(100));
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}
