//! What a request costs while the token is fresh, as far as it can be counted:
//! no allocation but the header map's own, and a future that is 16 bytes larger.
//! No guarantee, but a figure of README's.
//!
//! Mutations caught: an allocation in `call`, a header value copied for each
//! request, one more word in the state of a request that is sent.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::arithmetic_side_effects
)]

#[path = "../benches/support/stacks.rs"]
mod stacks;

use std::alloc::System;

use http::{Request, Uri};
use stacks::{Bare, call, fresh, yardstick};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tower::Service;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: usize = 1_000;

// Without the test harness, whose own thread allocates, too.
fn main() {
    a_request_with_a_fresh_token_allocates_what_its_header_map_needs_and_nothing_else();
    println!("1 passed, 0 failed");
}

fn a_request_with_a_fresh_token_allocates_what_its_header_map_needs_and_nothing_else() {
    let (bare, yardstick, ours) = (count(Bare), count(yardstick()), count(fresh()));
    assert_eq!(bare.allocations, 0);
    assert_eq!(yardstick.allocations, 2 * REQUESTS);
    assert_eq!(ours, yardstick);

    let inner = size_of_val(&Bare.call(Request::new(())));
    let future = size_of_val(&fresh().call(Request::new(())));
    assert_eq!(future, inner + 16);
}

fn count<S: Service<Request<()>>>(mut service: S) -> Stats {
    let uri = Uri::from_static("/v1/end-users");
    // The first call fills thread-local caches.
    call(&mut service, &uri);
    let region = Region::new(ALLOCATOR);
    for _ in 0..REQUESTS {
        call(&mut service, &uri);
    }
    region.change()
}
