//! What the tests share.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic
)]

mod api;
pub mod endpoint;
mod policy;
mod printed;
mod runtime;
mod tokens;
mod watch;

use fiskil_auth::{Credentials, FiskilAuthLayer};

pub use self::api::{Api, carried, error, sent, text};
pub use self::policy::RetryServerErrors;
pub use self::printed::printed;
pub use self::runtime::{paused_runtime, runtime, settle};
pub use self::tokens::{Tokens, token};
pub use self::watch::watch;

pub fn credentials() -> Credentials {
    Credentials::new("client-id", "client-secret")
}

/// A layer over `service`.
pub fn layer(service: &Tokens) -> FiskilAuthLayer {
    let service = service.clone();
    // What holds for a cache holds with a shared store beneath it.
    #[cfg(in_memory_fleet)]
    let service = tower::Layer::layer(&fiskil_auth::SharedTokens::in_memory(), service);
    FiskilAuthLayer::with_token_service(credentials(), service)
}
