//! How many instructions the hot path takes: the same on each run, however busy
//! the machine is, so that a change of it can be seen where times can't tell.
//!
//! Valgrind's callgrind counts them, over this program started anew for each
//! stack. What it counts for 1,000 requests is taken from what it counts for
//! 11,000, so that the start does not count. `instructions.txt` beside this has
//! the figures to compare with; `-- --keep` writes it. `-- --check` fails where
//! the layer takes too many. It is exact for one toolchain, and skips on others;
//! an incremental build takes more.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

#[path = "../../support/stacks.rs"]
mod stacks;

use std::env;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use http::{Request, Uri};
use stacks::{Bare, Commonplace, NAMES, call, fresh, yardstick};
use tower::Service;

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// How many more than the yardstick the layer may take, where one service sends
/// all requests. What it takes is in `instructions.txt`; the rest is for what the
/// compiler makes of changes elsewhere.
const MOST: u64 = 220;

/// What [`MOST`] is exact for.
const TOOLCHAIN: &str = "rustc 1.95.0, x86_64";

/// How requests come.
#[derive(Clone, Copy)]
enum Load {
    OneService,
    /// As axum does: each request calls a new clone.
    Cloned,
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args().collect();
    if let [_, RUN, stack, load, times] = &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        run(stack, Load::named(load), times.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let is_asked = |option: &str| args.iter().any(|arg| arg == option);
    if is_asked("--check") && toolchain() != TOOLCHAIN {
        println!(
            "not checked: the limit is for {TOOLCHAIN}, and this is {}",
            toolchain()
        );
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed: nothing is counted");
        return match is_asked("--check") {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        };
    }
    let counts = NAMES.map(|stack| [Load::OneService, Load::Cloned].map(|load| each(stack, load)));
    let table = table(&counts);
    print!("{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    if is_asked("--keep") {
        std::fs::write(path, table).unwrap();
    } else {
        println!(
            "\nkept, to compare with:\n{}",
            std::fs::read_to_string(path).unwrap()
        );
    }
    let [_, [yardstick, _], [layer, _], _] = counts;
    let over = layer.saturating_sub(yardstick);
    println!("the layer takes {over} more than the yardstick; {MOST} are allowed");
    match is_asked("--check") && over > MOST {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn table(counts: &[[u64; 2]; 4]) -> String {
    let mut table = format!(
        "{:24} {:>11} {:>23}\n",
        "instructions", "one service", "cloned for each request"
    );
    for (stack, [one, cloned]) in NAMES.iter().zip(counts) {
        let _ = writeln!(table, "{stack:24} {one:11} {cloned:23}");
    }
    table
}

/// What runs this, as far as it matters here.
fn toolchain() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // `rustc 1.95.0 (f2d3ce0bd 2026-03-21)`
    let version: Vec<_> = text.split(' ').take(2).collect();
    format!("{}, {}", version.join(" "), env::consts::ARCH)
}

/// The instructions of one request. Rounded to the nearest: what the start of a
/// process takes varies by a few.
fn each(stack: &str, load: Load) -> u64 {
    let requests = MANY - FEW;
    (count(stack, load, MANY) - count(stack, load, FEW) + requests / 2) / requests
}

/// The instructions of a whole process.
fn count(stack: &str, load: Load, times: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(env::current_exe().unwrap());
    let output = valgrind
        .args([RUN, stack, load.name(), &times.to_string()])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.unwrap();
    count.trim().parse().unwrap()
}

fn run(stack: &str, load: Load, times: u64) {
    let [bare, set_header, layer, commonplace] = NAMES;
    match stack {
        _ if stack == bare => requests(Bare, load, times),
        _ if stack == set_header => requests(yardstick(), load, times),
        _ if stack == layer => requests(fresh(), load, times),
        _ if stack == commonplace => requests(Commonplace::new(), load, times),
        _ => panic!("no such stack: {stack}"),
    }
}

fn requests<S: Service<Request<()>> + Clone>(mut service: S, load: Load, times: u64) {
    let uri = Uri::from_static("/v1/end-users");
    match load {
        Load::OneService => (0..times).for_each(|_| call(&mut service, &uri)),
        Load::Cloned => (0..times).for_each(|_| call(&mut service.clone(), &uri)),
    }
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Self::OneService => "one",
            Self::Cloned => "cloned",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "one" => Self::OneService,
            "cloned" => Self::Cloned,
            _ => panic!("no such load: {name}"),
        }
    }
}

const RUN: &str = "--run";
