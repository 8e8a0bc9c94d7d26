//! A Redis that is started with so much in it that it takes its time.

use std::time::Duration;

use crate::redis_server::RedisServer;
use crate::support::Tokens;
use crate::{do_without, fleet, share_again, until};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_is_still_loading_is_done_without_until_it_has() {
    let mut server = RedisServer::start_with(&["rdbcompression no"]);
    let endpoint = Tokens::new();
    let fleet = fleet(&server.url(), &endpoint).await;
    let mut connection = server.connection();
    // It looks at its clients after each two megabytes: twenty keys, and a second.
    let fill = "for n = 1, 400 do redis.call('SET', n, string.rep('x', 100000)) end";
    let filled = redis::cmd("EVAL").arg(fill).arg(0).exec(&mut connection);
    filled.unwrap();
    let () = server.run("SAVE");
    server.stop();
    server.start_again_with(&["key-load-delay 50000"]);
    let mut admin = None;
    until("it is loading", || {
        let client = redis::Client::open(server.url()).unwrap();
        let Ok(mut connection) = client.get_connection_with_timeout(Duration::from_secs(10)) else {
            return false;
        };
        let ping = redis::cmd("PING").exec(&mut connection);
        admin = Some(connection);
        ping.is_err_and(|error| error.code() == Some("LOADING"))
    })
    .await;
    do_without(&server.url()).await;
    let mut admin = admin.unwrap();
    // Redis 6.2 lets nobody hurry it.
    let hurry = redis::cmd("CONFIG")
        .arg(&["SET", "key-load-delay", "0"])
        .exec(&mut admin);
    drop(hurry);
    until("it has loaded", || {
        redis::cmd("PING").exec(&mut admin).is_ok()
    })
    .await;
    share_again(&fleet, &endpoint).await;
}
