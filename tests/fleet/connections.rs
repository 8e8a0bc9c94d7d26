//! The ways to a Redis: a password, the least that an ACL must permit, TLS, Unix
//! sockets, Cluster, Sentinel, and connections that are of no use.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fiskil_auth::{BoxError, SharedTokens};
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelServerType};

use crate::redis_server::{RedisServer, free_port};
use crate::support::Tokens;
use crate::{PATIENCE, process, process_over, read, until, value};

/// Two processes share a token, and its renewal.
async fn shares(make: impl Fn(&Tokens) -> fiskil_auth::TokenCache) {
    let endpoint = Tokens::new();
    let (first, second) = (make(&endpoint), make(&endpoint));
    assert_eq!(value(&first).await, "t1");
    assert_eq!(value(&second).await, "t1");
    assert_eq!(read(second.refresh().await), "t2");
    assert_eq!(read(first.refresh().await), "t2");
    assert_eq!(endpoint.exchanges(), 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_password_and_a_database_are_used() {
    let server = RedisServer::start_with(&["requirepass sesame"]);
    shares(|endpoint| process(&format!("{}/3", server.url()), endpoint)).await;
    let keys: redis::Value = server.run("INFO keyspace");
    assert!(format!("{keys:?}").contains("db3:keys="), "{keys:?}");
}

/// A process that ends with its test, however that ends.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As the operator's page has it.
const ACL: &str = include_str!("../../src/docs/fleet.md");

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_least_that_an_acl_must_permit_is_enough_and_all_is_needed() {
    let rule = ACL.lines().find(|line| line.starts_with("ACL SETUSER"));
    let rule = rule.unwrap().replace("PASSWORD", "sesame");
    let server = RedisServer::start();
    let url = format!("redis://fiskil:sesame@127.0.0.1:{}", server.port);
    let () = server.run(&rule);
    let () = server.run("ACL LOG RESET");
    shares(|endpoint| process(&url, endpoint)).await;
    let () = server.run("FLUSHALL");
    let failing = Tokens::new();
    failing.fail("down");
    let down = process(&url, &failing);
    down.refresh().await.unwrap_err();
    let denied: Vec<redis::Value> = server.run("ACL LOG");
    assert!(denied.is_empty(), "{denied:?}");

    // Without any one of them it is not shared.
    let words: Vec<_> = rule.split(' ').collect();
    let permitted = words.iter().filter(|word| word.starts_with('+'));
    for word in permitted.clone() {
        let () = server.run("FLUSHALL");
        let () = server.run("SCRIPT FLUSH");
        let others: Vec<_> = words
            .iter()
            .filter(|other| *other != word)
            .copied()
            .collect();
        let () = server.run(&others.join(" "));
        let () = server.run("ACL LOG RESET");
        let endpoint = Tokens::new();
        endpoint.issue_after(Duration::from_millis(1500));
        let (first, second) = (process(&url, &endpoint), process(&url, &endpoint));
        tokio::join!(value(&first), value(&second));
        let denied: Vec<redis::Value> = server.run("ACL LOG");
        assert!(!denied.is_empty(), "{word} is not needed");
    }
    assert!(permitted.count() >= 8);
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_unix_socket_is_used() {
    let folder = crate::redis_server::folder();
    let socket = folder.join("socket");
    let option = format!("unixsocket {}", socket.display());
    let _server = RedisServer::start_with(&[&option, "port 0"]);
    let url = format!("unix://{}", socket.display());
    shares(|endpoint| process(&url, endpoint)).await;
    std::fs::remove_dir_all(folder).unwrap();
}

const TLS_URL: &str = "FISKIL_AUTH_TEST_TLS_URL";

/// The trust store is that of a process, so each trust store has one.
#[test]
#[ignore = "needs redis-server"]
fn tls_is_used_and_certificates_are_verified() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(url) = std::env::var(TLS_URL) {
        runtime.block_on(async {
            let endpoint = Tokens::new();
            for _ in 0..2 {
                value(&process(&url, &endpoint)).await;
            }
            println!("<{}>", endpoint.exchanges());
        });
        return;
    }
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = crate::redis_server::folder();
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = file("certificate.pem", certified.cert.pem());
    let key = file("key.pem", certified.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = file("other.pem", other.cert.pem());
    let port = free_port();
    let server = RedisServer::start_with(&[
        &format!("tls-port {port}"),
        &format!("tls-cert-file {certificate}"),
        &format!("tls-key-file {key}"),
        "tls-auth-clients no",
    ]);
    let run = |host: &str, trusted: &str| {
        let () = server.run("FLUSHALL");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "--nocapture", "--include-ignored"])
            .arg("connections::tls_is_used_and_certificates_are_verified")
            .env(TLS_URL, format!("rediss://{host}:{port}"))
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR");
        let output = command.output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let count = output.split_once('<').unwrap().1.split_once('>').unwrap().0;
        (count.parse::<u32>().unwrap(), server.run::<u32>("DBSIZE"))
    };
    assert_eq!(run("localhost", &certificate), (1, 1));
    // Of an unknown authority, and for another host.
    assert_eq!(run("localhost", &other), (2, 0));
    assert_eq!(run("127.0.0.1", &certificate), (2, 0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_is_used() {
    let server = RedisServer::start_for_cluster();
    server.serve_all_slots();
    until("the cluster is up", || {
        let info: String = server.run("CLUSTER INFO");
        info.contains("cluster_state:ok")
    })
    .await;
    let client = redis::cluster::ClusterClient::new([server.url()]).unwrap();
    let connect = move || {
        let client = client.clone();
        async move { client.get_async_connection().await }
    };
    shares(|endpoint| process_over(SharedTokens::redis_with(connect.clone()), endpoint)).await;
    // Namespaces with braces of their own keep a fleet's keys together, too.
    for namespace in ["a{b}c", "a{", "}{"] {
        shares(|endpoint| {
            let shared = SharedTokens::redis_with(connect.clone()).namespace(namespace);
            process_over(shared, endpoint)
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_lead_to_the_server_in_charge() {
    let first = RedisServer::start();
    let second = RedisServer::start_with(&[&format!("replicaof 127.0.0.1 {}", first.port)]);
    let folder = crate::redis_server::folder();
    let port = free_port();
    let file = folder.join("sentinel.conf");
    std::fs::write(
        &file,
        format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nlogfile {}\n\
             sentinel monitor fleet 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds fleet 500\n",
            folder.display(),
            folder.join("log").display(),
            first.port
        ),
    )
    .unwrap();
    let sentinel = Command::new(crate::redis_server::program())
        .arg(&file)
        .arg("--sentinel")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let sentinel = Ended(sentinel);

    let master = || {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
        let mut connection = client.get_connection().ok()?;
        let ask = |what: &str| {
            let mut command = redis::cmd("SENTINEL");
            command.arg(what).arg("fleet");
            command
        };
        let replicas: Vec<redis::Value> = ask("REPLICAS").query(&mut connection).ok()?;
        let (_, port): (String, u16) =
            ask("GET-MASTER-ADDR-BY-NAME").query(&mut connection).ok()?;
        (!replicas.is_empty()).then_some(port)
    };
    until("the sentinel knows both", || master() == Some(first.port)).await;
    let connect = move || async move {
        let sentinels = vec![format!("redis://127.0.0.1:{port}")];
        let service = "fleet".to_owned();
        let kind = SentinelServerType::Master;
        let mut client = SentinelClient::build(sentinels, service, None, kind)?;
        client.get_async_connection().await
    };
    let make = |endpoint: &Tokens| process_over(SharedTokens::redis_with(connect), endpoint);
    shares(make).await;

    let () = first.run("FLUSHALL");
    drop(first);
    until("the other is in charge", || master() == Some(second.port)).await;
    // The sentinel names it before it has made it what it is.
    let from = std::time::Instant::now();
    while connect().await.is_err() {
        assert!(from.elapsed() < PATIENCE, "not in charge");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let () = second.run("FLUSHALL");
    shares(make).await;
    assert_eq!(second.run::<u32>("DBSIZE"), 1);
    drop(sentinel);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_connection_that_is_kept_and_cloned_is_used() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let kept = client.get_multiplexed_async_connection().await.unwrap();
    let connect = move || {
        let kept = kept.clone();
        async move { Ok::<_, redis::RedisError>(kept) }
    };
    shares(|endpoint| process_over(SharedTokens::redis_with(connect.clone()), endpoint)).await;
}

#[tokio::test]
async fn ways_to_connect_that_fail_hang_or_panic_are_done_without() {
    type Outcome = Result<MultiplexedConnection, BoxError>;
    let asked = Arc::new(AtomicU32::new(0));
    for manner in 0..4 {
        let asked = asked.clone();
        let shared = SharedTokens::redis_with(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            assert!(manner != 0, "a panic when called");
            async move {
                match manner {
                    1 => panic!("a panic when polled"),
                    2 => std::future::pending::<Outcome>().await,
                    _ => Err("no".into()),
                }
            }
        });
        let endpoint = Tokens::new();
        assert_eq!(value(&process_over(shared, &endpoint)).await, "t1");
    }
    assert!(asked.load(Ordering::SeqCst) >= 4);
}
