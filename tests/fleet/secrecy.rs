//! What a Redis sees: no token, no secret, no client id.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, Error, FiskilAuthLayer, SharedTokens, Token};
use tower::Layer;

use crate::redis_server::RedisServer;
use crate::support::Tokens;
use crate::until;

const ID: &str = "client-id-that-nobody-may-see";
const SECRET: &str = "client-secret-that-nobody-may-see";
const TOKEN: &str = "token-that-nobody-may-see";

/// All that a `MONITOR` of this server shows from now on.
fn monitor(server: &RedisServer) -> Arc<Mutex<String>> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(b"MONITOR\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).unwrap();
    assert_eq!(line, b"+OK\r\n");
    let seen = Arc::new(Mutex::new(String::new()));
    let see = seen.clone();
    std::thread::spawn(move || {
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).is_ok_and(|n| n == 0) {
                break;
            }
            see.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&line));
        }
    });
    seen
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_monitor_the_logs_and_the_values_show_no_secret() {
    let server = RedisServer::start_with(&["loglevel debug", "slowlog-log-slower-than 0"]);
    let seen = monitor(&server);
    let endpoint = Tokens::new();
    endpoint.answer(|n| async move {
        // A failure that quotes them, too.
        if n == 3 {
            let text = format!("{ID} {SECRET} {TOKEN}-1");
            return Err(BoxError::from(Error::other(text)));
        }
        Ok(Token::new(
            format!("{TOKEN}-{n}"),
            Duration::from_secs(900),
        )?)
    });
    let process = || {
        let shared = SharedTokens::redis(server.url()).unwrap();
        let pair = Credentials::new(ID, SECRET);
        FiskilAuthLayer::with_token_service(pair, shared.layer(endpoint.clone())).tokens()
    };
    let (first, second) = (process(), process());
    let token = first.token().await.unwrap();
    second.token().await.unwrap();
    first.invalidate(&token);
    first.token().await.unwrap();
    first.refresh().await.unwrap_err();
    second.refresh().await.unwrap();
    second.refresh().await.unwrap_err();
    assert_eq!(endpoint.exchanges(), 3);

    let () = server.run("ECHO the-end");
    until("the monitor has seen it all", || {
        seen.lock().unwrap().contains("the-end")
    })
    .await;
    let mut shown = seen.lock().unwrap().clone();
    assert!(shown.matches("EVAL").count() >= 5, "{shown}");
    shown += &server.log();
    let slow: redis::Value = server.run("SLOWLOG GET 1000");
    shown += &format!("{slow:?}");
    let keys: Vec<String> = server.run("KEYS *");
    assert!(keys.len() >= 2, "{keys:?}");
    for key in keys {
        let dump: Vec<u8> = server.run(&format!("DUMP {key}"));
        shown += &format!("{key} {}", String::from_utf8_lossy(&dump));
    }
    for secret in [ID, SECRET, TOKEN, "-that-nobody-may-see"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
