//! The recipes of the documentation pages, run: what they feed has what they promise.
//!
//! Mutations caught: a metric left out, fed from another field, under another name or
//! with another unit; a page that shows another text than what is run here; a code
//! block that is not compiled; an exchange past the proxy.
#![allow(
    unreachable_pub,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

#[path = "../support/mod.rs"]
mod support;

mod metrics_and_opentelemetry;
mod pages;
mod proxy;
mod with_metrics;
mod with_opentelemetry;
