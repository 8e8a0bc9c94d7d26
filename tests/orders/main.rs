//! The page "Which order?", row by row. With it guarantees 3 (waits hold nothing),
//! 5 (a 401 concerns its token only), 11 (the token goes to allowed origins only)
//! and 12 (no secret in any text), above and beneath other layers.
//!
//! Mutations caught:
//! - the readied service kept during the wait for a token: a test of `tower_layers`
//!   hangs
//! - the header not marked sensitive, the scope not consulted: `tower_http_layers`
//! - a rejection at the first frame of a body: `dropped`
//! - the marker left out, so that nothing above the layer sends again: `repeated`
//! - an answer that concerns the inner layer's token judged by the outer one, too,
//!   for good or for bad: `stacked`
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod dropped;
mod repeated;
mod stacked;
#[path = "../support/mod.rs"]
mod support;
mod tower_http_layers;
mod tower_layers;
