//! `RetryUnauthorized`: guarantees 5 (a 401 concerns its token only) and 6 (the
//! token endpoint is not pressed) while requests are sent again.
//!
//! Mutations caught by `rejected`: the marker set whatever `reject` returns, or
//! never; a 401 without one resent; no limit on resending; extensions, version,
//! method, URI or headers not carried over.
//!
//! By `transient`: the failure's `Error` not looked at; permanent errors waited
//! for; waits that ignore the wait budget, or take nothing off it; no retry
//! budget, or one that nothing adds to; no wait; a timer without a runtime.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod rejected;
#[path = "../support/mod.rs"]
mod support;
mod transient;
