//! What the layer adds to a request while the token is fresh, beside what
//! `tower_http::set_header` with a fixed value adds: the yardstick.
//!
//! `cargo bench --bench hot_path -- --svg docs/hot_path.svg` draws it, too.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "support/chart.rs"]
mod chart;
#[path = "support/stacks.rs"]
mod stacks;
#[path = "support/mod.rs"]
mod support;
#[path = "support/svg.rs"]
mod svg;

use http::{Request, Uri};
use stacks::{Bare, Commonplace, NAMES, call, fresh, yardstick};
use support::{is_quick, measure, median};
use tower::Service;

/// How requests come.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    threads: usize,
    /// As axum does: each request calls a new clone.
    clone_per_request: bool,
    uri: &'static str,
}

const LOADS: [Load; 5] = [
    Load {
        name: "one thread",
        threads: 1,
        clone_per_request: false,
        uri: "/v1/end-users",
    },
    Load {
        name: "one thread, URI with an origin",
        threads: 1,
        clone_per_request: false,
        uri: "https://api.fiskil.com/v1/end-users",
    },
    Load {
        name: "one thread, clone per request",
        threads: 1,
        clone_per_request: true,
        uri: "/v1/end-users",
    },
    Load {
        name: "two threads, own clone each",
        threads: 2,
        clone_per_request: false,
        uri: "/v1/end-users",
    },
    Load {
        name: "two threads, clone per request",
        threads: 2,
        clone_per_request: true,
        uri: "/v1/end-users",
    },
];

/// What a stack adds to the bare service.
struct Added {
    nanos: f64,
    /// To the yardstick's.
    ratio: f64,
    /// Of the whole stack, bare service included, all threads together.
    millions_per_second: f64,
}

fn main() {
    let (rounds, slice) = if is_quick() { (3, 100) } else { (1_500, 2_000) };
    println!("medians of {rounds} interleaved rounds of {slice} requests\n");
    let mut chart = Vec::new();
    for load in LOADS {
        let all = run(load, rounds, slice);
        println!("{}", load.name);
        println!(
            "    {:20} {:>9} {:>7} {:>14}",
            "", "adds", "ratio", "requests/s"
        );
        for (name, added) in NAMES.iter().zip(&all) {
            let Added {
                nanos,
                ratio,
                millions_per_second,
            } = added;
            println!("    {name:20} {nanos:6.1} ns {ratio:7.2} {millions_per_second:12.2} M");
        }
        let bars = NAMES.into_iter().zip(&all).skip(1);
        chart.push((
            load.name,
            bars.map(|(name, added)| (name, added.ratio)).collect(),
        ));
    }
    if let Some(path) = std::env::args().skip_while(|arg| arg != "--svg").nth(1) {
        std::fs::write(&path, chart::draw(&chart).unwrap()).unwrap();
        println!("\ndrawn: {path}");
    }
}

fn run(load: Load, rounds: usize, slice: u32) -> [Added; 4] {
    let (yardstick, fresh, commonplace) = (yardstick(), fresh(), Commonplace::new());
    let results = measure(
        load.threads,
        rounds,
        slice,
        [
            &|| requests(Bare, load),
            &|| requests(yardstick.clone(), load),
            &|| requests(fresh.clone(), load),
            &|| requests(commonplace.clone(), load),
        ],
    );
    std::array::from_fn(|case| {
        let added = |round: &[f64; 4], case: usize| round[case] - round[0];
        let ratio = |round: &[f64; 4]| added(round, case) / added(round, 1);
        let nanos = median(results.iter().map(|round| round[case]));
        Added {
            nanos: median(results.iter().map(|round| added(round, case))),
            ratio: median(results.iter().map(ratio)),
            millions_per_second: load.threads as f64 * 1e3 / nanos,
        }
    })
}

fn requests<S>(mut service: S, load: Load) -> Box<dyn FnMut(u32)>
where
    S: Service<Request<()>> + Clone + 'static,
{
    let uri = Uri::from_static(load.uri);
    if load.clone_per_request {
        Box::new(move |times| (0..times).for_each(|_| call(&mut service.clone(), &uri)))
    } else {
        Box::new(move |times| (0..times).for_each(|_| call(&mut service, &uri)))
    }
}
