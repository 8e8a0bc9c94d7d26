//! What the fuzzer starts from and what it has found, replayed: `fuzz/` runs the
//! same checks on inputs of its own making.
//!
//! Guarantees 9 (every answer has an outcome), 11 (the token goes to allowed
//! origins only) and 12 (no secret in any text).
//!
//! Mutations caught: an id or a name that is not searched for secrets, or that is
//! shown whatever its characters; a source that quotes what arrived; a lifetime or
//! `Retry-After` without a cap; a short `Retry-After` that is ignored; userinfo or
//! a port that is not looked at; an allowed origin that gets no token; plain HTTP
//! to one that is not refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "corpus/answer.rs"]
mod answer;
#[path = "corpus/lifetime.rs"]
mod lifetime;
#[path = "corpus/origin.rs"]
mod origin;
#[path = "corpus/retry_after.rs"]
mod retry_after;

use std::fs;
use std::path::{Path, PathBuf};

/// Runs the check on each input that was written by hand, one a file, and returns
/// how many there were.
fn replay_seeds(target: &str, check: fn(&[u8])) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(corpus().join("seeds").join(target)).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        count += 1;
    }
    count
}

/// The same for what the fuzzer has found and `fuzz/keep` kept, one a line in hex.
fn replay_found(target: &str, check: fn(&[u8])) -> usize {
    let path = corpus().join("found").join(format!("{target}.txt"));
    let mut count = 0;
    for line in fs::read_to_string(path).unwrap().lines() {
        println!("{line}");
        let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
        check(&(0..line.len()).step_by(2).map(byte).collect::<Vec<u8>>());
        count += 1;
    }
    count
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

#[test]
fn every_seed_passes_its_check() {
    for (target, check) in [
        ("answer", answer::check as fn(&[u8])),
        ("lifetime", lifetime::check),
        ("origin", origin::check),
        ("retry_after", retry_after::check),
    ] {
        assert!(replay_seeds(target, check) >= 10, "{target}");
        assert!(replay_found(target, check) >= 100, "{target}");
    }
}
