//! What the log says of the store: once when it fails, once when it is back.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::fake::{FakeServer, Manner};
use crate::redis_server::RedisServer;
use crate::support::Tokens;
use crate::support::watch;
use crate::{process, read};

/// The warnings about the store.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if event.metadata().target() == "fiskil_auth" && text.0.contains("token store") {
            assert_eq!(*event.metadata().level(), Level::WARN);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_store_that_fails_is_told_once_and_its_return_once() {
    let log = Log::default();
    let _guard = watch(tracing_subscriber::registry().with(log.clone()));
    let mut server = RedisServer::start();
    let process = process(&server.url(), &Tokens::new());
    read(process.token().await);
    assert!(log.take().is_empty());
    server.stop();
    for _ in 0..3 {
        read(process.refresh().await);
    }
    let [failed] = &log.take()[..] else {
        panic!("not one warning");
    };
    assert!(failed.contains("token store failed"), "{failed}");
    assert!(failed.contains("connection refused"), "{failed}");
    server.start_again();
    for _ in 0..3 {
        read(process.refresh().await);
    }
    let [back] = &log.take()[..] else {
        panic!("not one warning");
    };
    assert!(back.contains("token store is back"), "{back}");
}

#[tokio::test]
async fn a_warning_says_what_is_wrong_and_nothing_that_a_server_says() {
    let log = Log::default();
    let _guard = watch(tracing_subscriber::registry().with(log.clone()));
    for (manner, expected) in [
        (Manner::Says("-NOAUTH sesame\r\n"), "NOAUTH"),
        (Manner::Says("-MOVED 1 sesame:1\r\n"), "MOVED"),
        (Manner::Says("-LOADING sesame\r\n"), "LOADING"),
        (Manner::Says("-READONLY sesame\r\n"), "READONLY"),
        (Manner::Says("-OOM sesame\r\n"), "OOM"),
        (Manner::Says("-NOPERM sesame\r\n"), "NOPERM"),
        (Manner::Says("-sesame\r\n"), ""),
        (Manner::Says("+sesame\r\n"), "something else"),
        (Manner::IsSilent, "no answer in time"),
        (Manner::IsOfVersion3, "ERR"),
    ] {
        let server = FakeServer::start(manner).await;
        let url = server.url.replace("redis://", "redis://:sesame@");
        for url in [&server.url, &url] {
            read(process(url, &Tokens::new()).token().await);
            let [failed] = &log.take()[..] else {
                panic!("not one warning");
            };
            assert!(!failed.contains("sesame"), "{failed}");
            let is_at_login = url.contains('@');
            assert!(is_at_login || failed.contains(expected), "{failed}");
        }
    }
}
