//! A `redis-server` of a test's own, on a free port of loopback, which ends with
//! its handle. `REDIS_SERVER` names another program: that of a Valkey, say.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub struct RedisServer {
    process: Child,
    pub port: u16,
    folder: PathBuf,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    login: String,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With options as its command line has them, without the dashes: `maxmemory
    /// 1mb`.
    pub fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::start_on(free_port(), folder(), options, Vec::new())
    }

    /// One that may be in a cluster.
    pub fn start_for_cluster() -> Self {
        let options = vec!["cluster-enabled yes".to_owned()];
        Self::start_on(cluster_port(), folder(), options, Vec::new())
    }

    /// Of a cluster, all by itself.
    pub fn serve_all_slots(&self) {
        // One by one, as Redis 6.2 knows no range.
        let slots: Vec<String> = (0..16384).map(|slot| slot.to_string()).collect();
        let () = self.run(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
    }

    /// With variables of its environment.
    pub fn start_in(environment: &[(&str, &Path)]) -> Self {
        let text = |path: &Path| path.display().to_string();
        let environment = environment.iter();
        let environment = environment.map(|(name, path)| ((*name).to_owned(), text(path)));
        Self::start_on(free_port(), folder(), Vec::new(), environment.collect())
    }

    fn start_on(
        port: u16,
        folder: PathBuf,
        options: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> Self {
        let process = spawn(port, &folder, &options, &environment);
        let login = options
            .iter()
            .find_map(|option| option.strip_prefix("requirepass "))
            .map(|password| format!(":{password}@"))
            .unwrap_or_default();
        let mut server = Self {
            process,
            port,
            folder,
            options,
            environment,
            login,
        };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let from = Instant::now();
        while !self.is_up() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("redis-server ended with {status}: {}", self.log());
            }
            assert!(from.elapsed() < PATIENCE, "not up: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_up(&self) -> bool {
        if self.options.iter().any(|option| option == "port 0") {
            return self.log().contains("eady to accept connections");
        }
        let connection = redis::Client::open(self.url()).unwrap().get_connection();
        let Ok(mut connection) = connection else {
            return false;
        };
        redis::cmd("PING").exec(&mut connection).is_ok()
    }

    pub fn url(&self) -> String {
        format!("redis://{}127.0.0.1:{}", self.login, self.port)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A connection for the test itself.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_connection_with_timeout(PATIENCE).unwrap()
    }

    /// Runs a command, given as one would type it.
    pub fn run<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connection()).unwrap()
    }

    /// How often scripts were run so far.
    pub fn scripts(&self) -> u64 {
        let stats: String = self.run("INFO commandstats");
        let calls = |line: &str| {
            let (name, rest) = line.split_once(":calls=")?;
            ["cmdstat_eval", "cmdstat_evalsha"]
                .contains(&name)
                .then(|| rest.split(',').next()?.parse::<u64>().ok())
                .flatten()
        };
        stats.lines().filter_map(calls).sum()
    }

    /// Kills it.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again after [`stop`](Self::stop), with nothing in it but what it
    /// was told to save.
    pub fn start_again(&mut self) {
        self.start_again_with(&[]);
        self.wait();
    }

    /// The same with more options, and without waiting until it is up.
    pub fn start_again_with(&mut self, options: &[&str]) {
        let options = options.iter().map(|option| (*option).to_owned());
        let options: Vec<_> = self.options.iter().cloned().chain(options).collect();
        self.process = spawn(self.port, &self.folder, &options, &self.environment);
    }

    /// `STOP` makes it stand still, `CONT` go on.
    pub fn signal(&self, signal: &str) {
        signal_process(self.process.id(), signal);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn signal_process(id: u32, signal: &str) {
    let kill = Command::new("kill")
        .args([&format!("-{signal}"), &id.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

fn spawn(port: u16, folder: &Path, options: &[String], environment: &[(String, String)]) -> Child {
    let log = File::create(folder.join("log")).unwrap();
    let mut command = Command::new(program());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.args(["--port", &port.to_string()]);
    command.args(["--bind", "127.0.0.1"]);
    command.args(["--save", ""]);
    command.args(["--dir", folder.to_str().unwrap()]);
    for option in options {
        let mut words = option.split(' ');
        command.arg(format!("--{}", words.next().unwrap()));
        command.args(words);
    }
    let process = command.stdin(Stdio::null()).stdout(log).spawn();
    process.unwrap_or_else(|error| panic!("redis-server can't be started: {error}"))
}

pub fn program() -> OsString {
    std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// One that leaves room for that of the cluster's own traffic, which is 10,000 higher.
fn cluster_port() -> u16 {
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = free_port();
        if port.checked_add(10_000).is_some_and(is_free) {
            return port;
        }
    }
}

/// An empty folder of its own.
pub fn folder() -> PathBuf {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let name = format!("fiskil-auth-redis-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

const PATIENCE: Duration = Duration::from_secs(30);
