//! The clock of a Redis, which is set while a fleet shares over it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::redis_server::{RedisServer, folder};
use crate::support::Tokens;
use crate::{PATIENCE, fleet, process, share_again, until, value};

/// A Redis whose clock can be set: it is linked with one of ours.
struct Clocked {
    server: RedisServer,
    offset: PathBuf,
    folder: PathBuf,
}

impl Clocked {
    fn start() -> Self {
        let folder = folder();
        let (library, offset) = (folder.join("clock.so"), folder.join("offset"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fleet/clock.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([library.as_os_str(), source.as_ref()])
            .status();
        assert!(compiled.unwrap().success());
        let clocked = Self {
            server: RedisServer::start_in(&[("LD_PRELOAD", &library), ("CLOCK_OFFSET", &offset)]),
            offset,
            folder,
        };
        clocked.set(0);
        clocked
    }

    /// To so many seconds from this machine's.
    fn set(&self, seconds: i64) {
        std::fs::write(&self.offset, seconds.to_string()).unwrap();
        let from = Instant::now();
        let own = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expected = own.as_secs().saturating_add_signed(seconds);
        while self.time().abs_diff(expected) > 30 + from.elapsed().as_secs() {
            assert!(from.elapsed() < PATIENCE, "its clock can't be set");
        }
    }

    fn time(&self) -> u64 {
        self.server.run::<(u64, u64)>("TIME").0
    }
}

impl Drop for Clocked {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_outlives_no_change_of_the_clock_and_the_fleet_shares_on() {
    for seconds in [-HOUR, -100, HOUR] {
        let clocked = Clocked::start();
        let endpoint = Tokens::new();
        let fleet = fleet(&clocked.server.url(), &endpoint).await;
        clocked.set(seconds);
        let later = process(&clocked.server.url(), &endpoint);
        assert_eq!(value(&later).await, "t2", "{seconds}");
        share_again(&fleet, &endpoint).await;
        let left = later.status().expires_in.unwrap();
        assert!(left <= Duration::from_secs(890), "{seconds}: {left:?}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failure_holds_nobody_back_for_longer_when_the_clock_is_set_back() {
    let clocked = Clocked::start();
    let endpoint = Tokens::new();
    endpoint.fail("down");
    let failed = process(&clocked.server.url(), &endpoint).token().await;
    failed.unwrap_err();
    clocked.set(-HOUR);
    endpoint.issue_after(Duration::ZERO);
    assert_eq!(
        value(&process(&clocked.server.url(), &endpoint)).await,
        "t2"
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_lock_that_the_clock_left_behind_ends_with_its_lease() {
    let clocked = Clocked::start();
    let endpoint = Tokens::new();
    endpoint.hang();
    let dying = process(&clocked.server.url(), &endpoint);
    let fetch = tokio::spawn({
        let dying = dying.clone();
        async move { dying.token().await }
    });
    until("it exchanges", || endpoint.running() == 1).await;
    fetch.abort();
    drop(dying);
    until("it is gone", || endpoint.running() == 0).await;
    clocked.set(-HOUR);
    endpoint.issue_after(Duration::ZERO);
    // Within the deadline of a fetch, though by its key it would last for an hour.
    assert_eq!(
        value(&process(&clocked.server.url(), &endpoint)).await,
        "t2"
    );
}

const HOUR: i64 = 3600;
