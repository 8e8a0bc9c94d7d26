//! How many instructions the hot path takes: the same on each run, however busy
//! the machine is, so that a change of it can be seen where times can't tell.
//!
//! Valgrind's callgrind counts them, over this program started anew for each
//! stack. What it counts for 1,000 requests is taken from what it counts for
//! 11,000, so that the start does not count. `instructions.txt` beside this has
//! the figures to compare with; `-- --keep` writes it.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

#[path = "support/stacks.rs"]
mod stacks;

use std::env;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use http::{Request, Uri};
use stacks::{Bare, Commonplace, NAMES, call, fresh, yardstick};
use tower::Service;

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

fn main() {
    if let Some(stack) = env::args().skip_while(|arg| arg != RUN).nth(1) {
        let times = env::args().next_back().unwrap().parse().unwrap();
        return run(&stack, times);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed: nothing is counted");
        return;
    }
    let mut table = String::from("instructions for one request\n");
    for stack in NAMES {
        let each = (count(stack, MANY) - count(stack, FEW)) / (MANY - FEW);
        let _ = writeln!(table, "{stack:20} {each:6}");
    }
    print!("{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    if env::args().any(|arg| arg == "--keep") {
        std::fs::write(path, table).unwrap();
    } else {
        println!(
            "\nkept, to compare with:\n{}",
            std::fs::read_to_string(path).unwrap()
        );
    }
}

/// The instructions of a whole process.
fn count(stack: &str, times: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(env::current_exe().unwrap());
    let output = valgrind
        .args([RUN, stack, &times.to_string()])
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

fn run(stack: &str, times: u64) {
    let [bare, set_header, layer, commonplace] = NAMES;
    match stack {
        _ if stack == bare => requests(Bare, times),
        _ if stack == set_header => requests(yardstick(), times),
        _ if stack == layer => requests(fresh(), times),
        _ if stack == commonplace => requests(Commonplace::new(), times),
        _ => panic!("no such stack: {stack}"),
    }
}

fn requests<S: Service<Request<()>>>(mut service: S, times: u64) {
    let uri = Uri::from_static("/v1/end-users");
    (0..times).for_each(|_| call(&mut service, &uri));
}

const RUN: &str = "--run";
