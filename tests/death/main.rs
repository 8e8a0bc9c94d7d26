//! Guarantees 2 (no caller cancels or starves a fetch) and 3 (waits are bounded
//! and hold nothing), whatever panics, hangs, or loses its runtime.
//!
//! Mutations caught:
//! - a panic that counts as a lost runtime: `a_panicking_…`
//! - a task that ends nothing when it is dropped: `a_runtime_that_goes_away_…`
//! - a lost renewal after which renewals do not pause: `a_runtime_for_each_request_…`
//! - a waiter without a timer, or one that does not end an overdue exchange:
//!   `a_stalled_runtime_…`
//! - a permit held while waiting:
//!   `a_token_service_that_shares_the_inner_services_limit_…`
//! - a timer that stays with the runtime that polled it first: `…_takes_its_timer_along`
//! - an error of a lost runtime that does not say when to come back:
//!   `whoever_waited_for_runtimes_that_died_…`
//! - a header inserted whether or not there is room, or a permit kept where there
//!   is none: `a_request_without_room_for_the_header_…`
//! - a waker's panic, or that of an error that is dropped, let through: `drops`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod deadline;
mod drops;
mod panics;
mod permits;
mod runtimes;
#[path = "../support/mod.rs"]
mod support;
