//! Whatever a Redis does, no request fails for it, and sharing works again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::fake::{Balancer, FakeServer, Manner};
use crate::redis_server::{RedisServer, free_port};
use crate::support::Tokens;
use crate::{do_without, fleet, process, read, share_again, until, value};

#[tokio::test]
async fn servers_that_are_none_or_sick_are_done_without() {
    let manners = [
        Manner::IsSilent,
        Manner::IsOfVersion3,
        Manner::Closes,
        Manner::Says("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        Manner::Says("-ERR unknown command `TIME`, with args beginning with:\r\n"),
        Manner::Says("-LOADING Redis is loading the dataset in memory\r\n"),
        Manner::Says("-MOVED 3999 127.0.0.1:6381\r\n"),
        Manner::Says("-MOVED nowhere\r\n"),
        Manner::Says("-READONLY You can't write against a read only replica.\r\n"),
        Manner::Says("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
        Manner::Says("-BUSY Redis is busy running a script.\r\n"),
        Manner::Says("-NOAUTH Authentication required.\r\n"),
        Manner::Says("-NOSCRIPT No matching script.\r\n"),
        Manner::Says("+OK\r\n"),
        Manner::Says(":1\r\n"),
        Manner::Says("$-1\r\n"),
        Manner::Says("*0\r\n"),
        Manner::Says("*4\r\n$5\r\ntoken\r\n:-1\r\n$1\r\nx\r\n:1\r\n"),
        Manner::Says("*4\r\n$4\r\nhold\r\n:1\r\n$1\r\nx\r\n:-9\r\n"),
        Manner::Says("*4\r\n$5\r\ntoken\r\n:1\r\n$1\r\nx\r\n:900000\r\n"),
        Manner::Says("*4\r\n$4\r\nwait\r\n:1\r\n$1\r\nx\r\n:1\r\n"),
        Manner::Says("*4\r\n$7\r\nnothing\r\n:1\r\n$0\r\n\r\n:1\r\n"),
        Manner::Says("\0\u{1}\u{7f}\r\n\r\n"),
        Manner::Stops("*4\r\n$5\r\ntok"),
        Manner::Stops("$999999999\r\nx"),
    ];
    let servers = join_all(manners.map(FakeServer::start)).await;
    join_all(servers.iter().zip(manners).map(async |(server, manner)| {
        eprintln!("{manner:?}");
        do_without(&server.url).await;
    }))
    .await;
    // Nothing listens, and TLS with what speaks none.
    do_without(&format!("redis://127.0.0.1:{}", free_port())).await;
    do_without("unix:///no/such/socket").await;
    do_without(&servers[2].url.replace("redis:", "rediss:")).await;
    do_without(&servers[3].url.replace("redis:", "rediss:")).await;
}

#[test]
fn a_runtime_without_sockets_does_without() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(do_without("redis://127.0.0.1:6379"));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_wants_a_password_or_has_no_such_database_is_done_without() {
    let server = RedisServer::start_with(&["requirepass sesame"]);
    let endpoint = Tokens::new();
    fleet(&server.url(), &endpoint).await;
    let address = format!("127.0.0.1:{}", server.port);
    do_without(&format!("redis://{address}")).await;
    do_without(&format!("redis://:wrong@{address}")).await;
    do_without(&format!("redis://:sesame@{address}/99")).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_of_a_cluster_that_leads_elsewhere_is_done_without() {
    let (whole, empty) = (
        RedisServer::start_for_cluster(),
        RedisServer::start_for_cluster(),
    );
    // It knows of nobody who has the keys: CLUSTERDOWN.
    do_without(&empty.url()).await;
    whole.serve_all_slots();
    let () = empty.run(&format!("CLUSTER MEET 127.0.0.1 {}", whole.port));
    until("it knows who has them", || {
        let client = redis::Client::open(empty.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let asked = redis::cmd("GET").arg("key").exec(&mut connection);
        asked.is_err_and(|error| error.code() == Some("MOVED"))
    })
    .await;
    do_without(&empty.url()).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_is_killed_and_started_again_is_used_at_once() {
    let mut server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    server.stop();
    for process in &fleet {
        read(process.refresh().await);
    }
    assert_eq!(endpoint.exchanges(), 6);
    server.start_again();
    share_again(&fleet, &endpoint).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_is_flushed_is_filled_at_once() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    let () = server.run("FLUSHALL");
    let () = server.run("SCRIPT FLUSH");
    share_again(&fleet, &endpoint).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_stands_still_costs_two_seconds() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    server.signal("STOP");
    let from = Instant::now();
    join_all(
        fleet
            .iter()
            .map(async |process| read(process.refresh().await)),
    )
    .await;
    let took = from.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(endpoint.exchanges(), 6);
    server.signal("CONT");
    // It still grants a lock to those who have left, for a lease.
    until("nothing but the token is there", || {
        server.run::<u64>("DBSIZE") == 1
    })
    .await;
    share_again(&fleet, &endpoint).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_stops_in_the_middle_of_an_exchange_costs_two_seconds() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    endpoint.issue_after(Duration::from_millis(500));
    let process = process(&server.url(), &endpoint);
    let from = Instant::now();
    let stop = async {
        until("it exchanges", || endpoint.running() == 1).await;
        server.signal("STOP");
    };
    let (token, ()) = tokio::join!(value(&process), stop);
    assert_eq!(token, "t1");
    assert!(
        from.elapsed() < Duration::from_secs(7),
        "{:?}",
        from.elapsed()
    );
    server.signal("CONT");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_is_full_is_done_without_until_there_is_room() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    let () = server.run("CONFIG SET maxmemory 1");
    // What is there already is still handed out.
    assert_eq!(value(&process(&server.url(), &endpoint)).await, "t1");
    let () = server.run("FLUSHALL");
    do_without(&server.url()).await;
    let () = server.run("CONFIG SET maxmemory 0");
    share_again(&fleet, &endpoint).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_only_reads_hands_out_what_it_has() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    // Of a server that is not there.
    let () = server.run(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
    assert_eq!(value(&process(&server.url(), &endpoint)).await, "t1");
    read(fleet[0].refresh().await);
    assert_eq!(endpoint.exchanges(), 2);
    let () = server.run("REPLICAOF NO ONE");
    // The one that has a token of its own may take that of the others.
    share_again(&fleet[1..], &endpoint).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_is_busy_is_done_without_until_it_is_not() {
    let server = RedisServer::start_with(&["lua-time-limit 10"]);
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    let mut connection = server.connection();
    let script = "while true do end";
    let busy =
        std::thread::spawn(move || redis::cmd("EVAL").arg(script).arg(0).exec(&mut connection));
    let mut admin = None;
    until("it is busy", || {
        let mut connection = server.connection();
        let ping = redis::cmd("PING").exec(&mut connection);
        admin = Some(connection);
        ping.is_err()
    })
    .await;
    do_without(&server.url()).await;
    let kill = redis::cmd("SCRIPT")
        .arg("KILL")
        .exec(admin.as_mut().unwrap());
    kill.unwrap();
    busy.join().unwrap().unwrap_err();
    share_again(&fleet, &endpoint).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_others_put_under_its_names_is_not_read() {
    let server = RedisServer::start();
    let endpoint = Tokens::new();
    value(&process(&server.url(), &endpoint)).await;
    let keys: Vec<String> = server.run("KEYS *");
    let name = keys[0].strip_suffix(":token").unwrap().to_owned();
    let sent = || {
        let stats: String = server.run("INFO stats");
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        line.unwrap().parse::<u64>().unwrap()
    };
    for what in ["token", "hold", "lock", "rejections"] {
        for command in [
            // 512 MiB, the most that there can be.
            format!("SETRANGE {name}:{what} 536870911 x"),
            format!("HSET {name}:{what} a b"),
            format!("SET {name}:{what} garbage"),
        ] {
            let () = server.run("FLUSHALL");
            let _: redis::Value = server.run(&command);
            let (before, exchanges) = (sent(), endpoint.exchanges());
            let fleet: Vec<_> = (0..5).map(|_| process(&server.url(), &endpoint)).collect();
            let tokens = join_all(fleet.iter().map(value)).await;
            assert!(tokens.iter().all(|token| *token == tokens[0]), "{command}");
            assert_eq!(endpoint.exchanges(), exchanges + 1, "{command}");
            assert!(sent() - before < 1_000_000, "{command}");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_balancer_that_forgets_connections_is_not_noticed() {
    let server = RedisServer::start();
    let balancer = Balancer::start(server.port).await;
    let endpoint = Tokens::new();
    let fleet = fleet(&balancer.url, &endpoint).await;
    for _ in 0..3 {
        let before = endpoint.exchanges();
        balancer.forget();
        share_again(&fleet, &endpoint).await;
        assert_eq!(endpoint.exchanges(), before + 1);
    }
    assert_eq!(balancer.connections(), 20, "one for each fetch");
}
