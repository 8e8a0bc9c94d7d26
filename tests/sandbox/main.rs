//! The sandbox behaves as Fiskil does, and fails as it is told to: other tests
//! rely on that. Guarantee 12 (no secret in any text) holds for it, too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod api;
mod caller;
mod exchange;
mod faults;
mod guard;
mod handles;
mod https;
mod log;
mod pairs;
mod script;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/text.rs"]
mod text;
#[path = "../support/grpc.rs"]
mod wire;
