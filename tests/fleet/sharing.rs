//! What a fleet shares, and what that costs.

use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, SharedTokens};
use futures_util::future::join_all;
use tower::Layer;

use crate::redis_server::RedisServer;
use crate::support::{Tokens, token};
use crate::{process, read, until, value};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn two_hundred_cold_starts_make_one_exchange() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    endpoint.issue_after(Duration::from_millis(300));
    let fleet: Vec<_> = (0..200)
        .map(|_| process(&server.url(), &endpoint))
        .collect();
    let tokens = join_all(fleet.iter().map(value)).await;
    assert!(tokens.iter().all(|token| token == "t1"));
    assert_eq!(endpoint.exchanges(), 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_renewal_of_one_is_that_of_all() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet: Vec<_> = (0..20).map(|_| process(&server.url(), &endpoint)).collect();
    for process in &fleet {
        assert_eq!(value(process).await, "t1");
    }
    for process in &fleet {
        assert_eq!(read(process.refresh().await), "t2");
    }
    assert_eq!(endpoint.exchanges(), 2);
    // What was invalidated here is replaced, though the store has it.
    fleet[0].invalidate(&fleet[0].token().await.unwrap());
    assert_eq!(value(&fleet[0]).await, "t3");
    assert_eq!(endpoint.exchanges(), 3);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_rejected_token_is_replaced_once_for_all_and_never_taken_again() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet: Vec<_> = (0..20).map(|_| process(&server.url(), &endpoint)).collect();
    for process in &fleet {
        assert_eq!(value(process).await, "t1");
    }
    let keys: Vec<String> = server.run("KEYS *:token");
    let stored: Vec<u8> = server.run(&format!("GET {}", keys[0]));
    for process in &fleet {
        process.report_rejected(&token(1));
    }
    for process in &fleet {
        until("it has another", || process.status().generation == 2).await;
        assert_eq!(value(process).await, "t2");
    }
    assert_eq!(endpoint.exchanges(), 2);

    // The store is put back to what it was: those who saw the rejection know.
    let put_back = redis::cmd("SET")
        .arg(&keys[0])
        .arg(stored)
        .arg(&["PX", "800000"])
        .exec(&mut server.connection());
    put_back.unwrap();
    for process in &fleet {
        assert_eq!(read(process.refresh().await), "t3");
    }
    assert_eq!(endpoint.exchanges(), 3);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn other_secrets_ids_and_namespaces_on_one_server_do_not_meet() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let kinds = [
        ("client-id", "client-secret", "fiskil-auth"),
        ("client-id", "new-secret", "fiskil-auth"),
        ("other-id", "client-secret", "fiskil-auth"),
        ("client-id", "client-secret", "another"),
    ];
    for (n, (id, secret, namespace)) in (1..).zip(kinds) {
        for _ in 0..3 {
            let shared = SharedTokens::redis(server.url()).unwrap();
            let tokens = shared.namespace(namespace).layer(endpoint.clone());
            let pair = Credentials::new(id, secret);
            let process = FiskilAuthLayer::with_token_service(pair, tokens).tokens();
            assert_eq!(value(&process).await, format!("t{n}"));
        }
    }
    assert_eq!(server.run::<u32>("DBSIZE"), 4);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failure_of_one_is_that_of_all() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    endpoint.answer(|_| async {
        let wait = Duration::from_secs(120);
        Err(BoxError::from(
            Error::other("down").permanent().with_retry_after(wait),
        ))
    });
    for _ in 0..20 {
        let error = process(&server.url(), &endpoint).token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenService);
        assert!(!error.is_transient());
        let left = error.retry_after().unwrap();
        assert!(left > Duration::from_secs(60) && left <= Duration::from_secs(132));
    }
    assert_eq!(endpoint.exchanges(), 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_process_costs_one_command_a_lifetime_and_a_fleet_under_a_kilobyte() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    // As long as real ones are.
    endpoint.answer(|n| async move {
        let value = format!("{n}{}", "x".repeat(400));
        Ok(fiskil_auth::Token::new(value, Duration::from_secs(900))?)
    });
    let before = server.scripts();
    value(&process(&server.url(), &endpoint)).await;
    // Once by its hash in vain and once as a whole, for each of two scripts.
    assert_eq!(server.scripts() - before, 4);
    let before = server.scripts();
    let fleet: Vec<_> = (0..100)
        .map(|_| process(&server.url(), &endpoint))
        .collect();
    for process in &fleet {
        value(process).await;
    }
    assert_eq!(server.scripts() - before, 100);

    let keys: Vec<String> = server.run("KEYS *");
    let mut bytes = 0;
    for key in keys {
        assert!(key.starts_with("fiskil-auth:{"), "{key}");
        let left: i64 = server.run(&format!("PTTL {key}"));
        assert!((1..=900_000).contains(&left), "{key}: {left}");
        bytes += server.run::<u64>(&format!("MEMORY USAGE {key}"));
    }
    assert!(bytes < 1024, "{bytes}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn idle_processes_keep_no_connection_and_send_nothing() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet: Vec<_> = (0..20).map(|_| process(&server.url(), &endpoint)).collect();
    join_all(fleet.iter().map(value)).await;
    let clients = || {
        let info: String = server.run("INFO clients");
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("connected_clients:"));
        line.unwrap().parse::<u32>().unwrap()
    };
    // The one that asks.
    until("no connection is left", || clients() == 1).await;
    let before = server.scripts();
    for process in &fleet {
        value(process).await;
    }
    assert_eq!((server.scripts(), clients()), (before, 1));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_is_as_short_lived_everywhere() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    endpoint.answer(|n| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(token(n))
    });
    let first = process(&server.url(), &endpoint);
    value(&first).await;
    let left = |process: &fiskil_auth::TokenCache| process.status().expires_in.unwrap();
    let second = process(&server.url(), &endpoint);
    let before = left(&first);
    value(&second).await;
    let (first, second) = (left(&first), left(&second));
    // Read one after the other, so the second can only be less, but for a margin
    // of milliseconds by which the store's clock is coarser.
    assert!(
        second <= before + Duration::from_millis(10),
        "{first:?} {second:?}"
    );
    assert!(
        second + Duration::from_secs(5) >= first,
        "{first:?} {second:?}"
    );
}
