//! Real processes, which are killed or stand still.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use fiskil_auth::{BoxError, Error, ErrorKind, Token};

use crate::redis_server::{RedisServer, signal_process};
use crate::support::Tokens;
use crate::{PATIENCE, process, read};

/// Beyond the hold after a fetch that was overdue.
const RETRY: Duration = Duration::from_secs(2);

const URL: &str = "FISKIL_AUTH_TEST_FLEET_URL";
const ENDPOINT: &str = "FISKIL_AUTH_TEST_FLEET_ENDPOINT";

/// What a process of the fleet does, if this is one: it tells its token, and
/// another one for each line that it is sent.
fn is_process_of_the_fleet() -> bool {
    let (Ok(url), Ok(endpoint)) = (std::env::var(URL), std::env::var(ENDPOINT)) else {
        return false;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tokens = Tokens::new();
    tokens.answer(move |_| {
        let endpoint = endpoint.clone();
        async move { tokio::task::spawn_blocking(move || exchange(&endpoint)).await? }
    });
    let process = process(&url, &tokens);
    let tell = |token| {
        println!("<{}>", read(token));
        std::io::stdout().flush().unwrap();
    };
    tell(runtime.block_on(async {
        let overdue = |error: &Error| error.kind() == ErrorKind::Timeout;
        loop {
            match process.token().await {
                Err(error) if overdue(&error) => tokio::time::sleep(RETRY).await,
                token => break token,
            }
        }
    }));
    for _ in std::io::stdin().lines() {
        tell(runtime.block_on(process.refresh()));
    }
    true
}

fn exchange(endpoint: &str) -> Result<Token, BoxError> {
    let mut stream = TcpStream::connect(endpoint)?;
    let mut value = String::new();
    stream.read_to_string(&mut value)?;
    Ok(Token::new(value, Duration::from_secs(900))?)
}

/// A token endpoint for processes. Holds its answers back until it is told.
struct Endpoint {
    address: String,
    exchanges: Arc<AtomicU32>,
    held: Arc<Mutex<Vec<(TcpStream, u32)>>>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap().to_string(),
            exchanges: Arc::default(),
            held: Arc::default(),
        };
        let (exchanges, held) = (endpoint.exchanges.clone(), endpoint.held.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut held = held.lock().unwrap();
                let n = exchanges.fetch_add(1, Ordering::SeqCst) + 1;
                held.push((stream.unwrap(), n));
            }
        });
        endpoint
    }

    fn exchanges(&self) -> u32 {
        self.exchanges.load(Ordering::SeqCst)
    }

    /// Waits for the nth exchange.
    fn wait(&self, n: u32) {
        wait("an exchange", || self.exchanges() >= n);
    }

    /// Answers all who wait.
    fn answer(&self) {
        for (mut stream, n) in self.held.lock().unwrap().drain(..) {
            // Whoever was killed is not there any more.
            let _ = stream.write_all(format!("t{n}").as_bytes());
        }
    }
}

struct Process {
    child: Child,
    input: ChildStdin,
    told: mpsc::Receiver<String>,
}

impl Process {
    /// Plays `test`, which must begin with [`is_process_of_the_fleet`].
    fn start(test: &str, server: &RedisServer, endpoint: &Endpoint) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--include-ignored", test])
            .env(URL, server.url())
            .env(ENDPOINT, &endpoint.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, told) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once('<') {
                    let _ = tell.send(rest.split_once('>').unwrap().0.to_owned());
                }
            }
        });
        Self {
            input: child.stdin.take().unwrap(),
            child,
            told,
        }
    }

    fn told(&self) -> String {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    /// Wants another token.
    fn refresh(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < PATIENCE, "never so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lock(server: &RedisServer) -> Option<String> {
    let locks: Vec<String> = server.run("KEYS *:lock");
    locks.first().cloned()
}

#[test]
#[ignore = "needs redis-server"]
fn a_process_that_is_killed_while_it_exchanges_is_replaced() {
    if is_process_of_the_fleet() {
        return;
    }
    let name = "processes::a_process_that_is_killed_while_it_exchanges_is_replaced";
    let (server, endpoint) = (RedisServer::start(), Endpoint::start());
    let mut first = Process::start(name, &server, &endpoint);
    endpoint.wait(1);
    let (second, third) = (
        Process::start(name, &server, &endpoint),
        Process::start(name, &server, &endpoint),
    );
    // It lives, so they wait for it, past its first lease.
    let held = lock(&server).unwrap();
    let extended = |held: &str| server.run::<u64>(&format!("PTTL {held}")) > 2500;
    wait("the lease is older", || !extended(&held));
    wait("the lease is extended", || extended(&held));
    assert_eq!(endpoint.exchanges(), 1);
    first.kill();
    endpoint.wait(2);
    endpoint.answer();
    assert_eq!(
        (second.told().as_str(), third.told().as_str()),
        ("t2", "t2")
    );
    assert_eq!(endpoint.exchanges(), 2);
}

#[test]
#[ignore = "needs redis-server"]
fn a_process_that_stood_still_past_its_lease_does_not_overwrite_its_heir() {
    if is_process_of_the_fleet() {
        return;
    }
    let name = "processes::a_process_that_stood_still_past_its_lease_does_not_overwrite_its_heir";
    let (server, endpoint) = (RedisServer::start(), Endpoint::start());
    let mut slow = Process::start(name, &server, &endpoint);
    endpoint.wait(1);
    let before = server.scripts();
    let mut heir = Process::start(name, &server, &endpoint);
    // More than what extends the lease meanwhile.
    wait("the heir waits", || server.scripts() >= before + 8);
    signal_process(slow.child.id(), "STOP");
    endpoint.answer();
    endpoint.wait(2);
    endpoint.answer();
    assert_eq!(heir.told(), "t2");
    signal_process(slow.child.id(), "CONT");
    // On a machine so busy that its own deadline has passed, it asks once more.
    let told = slow.told();
    assert!(told == "t1" || told == "t2", "{told}");
    let other = Process::start(name, &server, &endpoint);
    assert_eq!(other.told(), "t2");
    // All are one fleet again.
    if told == "t1" {
        slow.refresh();
        assert_eq!(slow.told(), "t2");
    }
    heir.refresh();
    endpoint.wait(3);
    endpoint.answer();
    assert_eq!(heir.told(), "t3");
    slow.refresh();
    assert_eq!(slow.told(), "t3");
    assert_eq!(endpoint.exchanges(), 3);
}
