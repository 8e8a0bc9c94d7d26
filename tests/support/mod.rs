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

use fiskil_auth::{
    BoxError, Credentials, FiskilAuthLayer, ProvideCredentials, Token, TokenRequest,
};
use tower::Service;

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
    layer_over(credentials(), service.clone())
}

/// A layer over any token service.
pub fn layer_over<P, S>(provider: P, service: S) -> FiskilAuthLayer
where
    P: ProvideCredentials,
    S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    // What holds for a cache holds with a shared store beneath it.
    #[cfg(in_memory_fleet)]
    let service = tower::Layer::layer(&fiskil_auth::SharedTokens::in_memory(), service);
    FiskilAuthLayer::with_token_service(provider, service)
}

/// What a test expects of a cache alone, and of one over a shared store.
pub fn alone_or_shared<T>(alone: T, shared: T) -> T {
    match cfg!(in_memory_fleet) {
        true => shared,
        false => alone,
    }
}

/// The whole seconds after which a token service that hangs is given up: its
/// fetch, or, over a shared store, half a second before that its exchange.
pub fn overdue_after() -> u64 {
    alone_or_shared(10, 9)
}
