//! Interleaved rounds, medians and ratios: what the benches share.
//!
//! The machines that run them are noisy, so nothing is measured by itself: each
//! round runs every case once, in turn, and what is reported is the median of
//! the rounds' ratios to the yardstick of the same round.
#![allow(dead_code, unreachable_pub)]

use std::time::{Duration, Instant};

/// Whether only to prove that the benches run: `cargo bench -- --quick`.
pub fn is_quick() -> bool {
    // `cargo test --benches` passes no `--bench`.
    std::env::args().any(|arg| arg == "--quick") || !std::env::args().any(|arg| arg == "--bench")
}

/// How long it takes to run `work` so many times, on each of `threads` at once.
pub fn time<W, F>(threads: usize, iterations: u32, setup: W) -> Duration
where
    W: Fn() -> F + Sync,
    F: FnMut(),
{
    let start = std::sync::Barrier::new(threads);
    let slowest = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut work = setup();
                    // The first calls fill caches of all kinds.
                    (0..iterations.div_ceil(10)).for_each(|_| work());
                    start.wait();
                    let from = Instant::now();
                    (0..iterations).for_each(|_| work());
                    from.elapsed()
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .max()
    });
    slowest.unwrap_or_default()
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}
