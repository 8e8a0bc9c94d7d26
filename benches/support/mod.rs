//! Interleaved rounds, medians and ratios: what the benches share.
//!
//! The machines that run them are noisy, and change their speed from one second
//! to the next. So each round runs every case once, for a fraction of a
//! millisecond, and what counts is the median of the rounds' own ratios.
//! Harnesses that measure one case to its end before the next can't do that.
#![allow(dead_code, unreachable_pub)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Whether to prove only that the benches run: `cargo bench -- --quick`.
pub fn is_quick() -> bool {
    // `cargo test --benches` passes no `--bench`.
    std::env::args().any(|arg| arg == "--quick") || !std::env::args().any(|arg| arg == "--bench")
}

/// Makes, for one thread, the closure that does a case's work n times.
pub type Case<'a> = &'a (dyn Fn() -> Box<dyn FnMut(u32)> + Sync);

/// Nanoseconds that each case's work takes once, round by round, while this many
/// threads do the same.
pub fn measure<const N: usize>(
    threads: usize,
    rounds: usize,
    slice: u32,
    cases: [Case<'_>; N],
) -> Vec<[f64; N]> {
    let line = StartLine::default();
    let each = || {
        let mut work = cases.map(|case| case());
        let mut round = || {
            std::array::from_fn(|case| {
                line.wait(threads);
                let from = Instant::now();
                work[case](slice);
                from.elapsed().as_secs_f64() * 1e9 / f64::from(slice)
            })
        };
        // The first rounds fill caches of all kinds.
        (0..rounds / 10).for_each(|_| {
            let _: [f64; N] = round();
        });
        (0..rounds).map(|_| round()).collect::<Vec<[f64; N]>>()
    };
    let by_thread: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(each)).collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    let mean = |round: usize, case: usize| {
        let sum: f64 = by_thread.iter().map(|rounds| rounds[round][case]).sum();
        sum / threads as f64
    };
    (0..rounds)
        .map(|round| std::array::from_fn(|case| mean(round, case)))
        .collect()
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

/// Where threads wait for each other. They spin: one that slept would start so
/// late that the other had done a part of its work alone.
#[derive(Default)]
struct StartLine(AtomicUsize);

impl StartLine {
    fn wait(&self, threads: usize) {
        let ticket = self.0.fetch_add(1, Ordering::AcqRel);
        let all = (ticket / threads + 1) * threads;
        while self.0.load(Ordering::Acquire) < all {
            std::hint::spin_loop();
        }
    }
}
