//! The protocol, in paused time over the store in memory; the suite of both
//! stores, which keeps the one in memory honest.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod conformance;
mod crash;
mod differential;
mod endpoint;
mod faults;
mod fleet;
mod forgery;
mod gate;
mod outage;
mod probe;
#[path = "../../../tests/support/redis_server.rs"]
mod redis_server;
mod rejections;
mod scenarios;
mod schedules;
mod world;
