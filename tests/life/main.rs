//! What made the first version of this crate fail requests, with a healthy token
//! endpoint for the most part. Each test tells in its first lines what came of it
//! then.
//!
//! Guarantees 5 (a 401 concerns its token only), 6 (the token endpoint is not
//! pressed) and 8 (recovery without a restart), and what probes say meanwhile.
//!
//! Mutations caught:
//! - a lost background renewal that holds requests back: `a_runtime_for_each_…`
//! - an invalidation that counts as a failure: `a_token_that_is_invalidated_…`
//! - a rejection that drops the token: `denied_route`
//! - a wait for a renewal of a suspect token without its limit: `…_hangs_at_the_…`
//! - a probe that ignores a suspicion: `deleted_key`
//! - one renewal only at once: `revocations`
//! - a probe that waits for one suspicion after the other: `beside_a_denied_route_…`
//! - a report that concerns whatever token is in use: `reported`
//! - an error that is kept after a success: `status`
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod deleted_key;
mod denied_route;
mod interrupted;
mod reported;
mod revocations;
mod status;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
