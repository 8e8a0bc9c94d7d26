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
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod deadline;
mod panics;
mod permits;
mod runtimes;
#[path = "../support/mod.rs"]
mod support;
