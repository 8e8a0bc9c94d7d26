//! An in-process Fiskil, for tests: the handle on it and its switches.
//!
//! A [`Sandbox`] hands out tokens at `POST /v1/token` and accepts them at
//! `GET /v1/end-users`, with the headers, statuses and error objects of the
//! real one. It can be slow, refuse, hang or talk nonsense on demand, and it
//! counts what it saw.
//!
//! - [`Sandbox::service`] is a tower service without sockets. Its clock is
//!   tokio's, so a test under paused time sees a token expire at once. Let the
//!   test start paused: the layer looks at a clock that runs once a second only,
//!   and would notice by then that it was paused in the middle.
//! - [`Sandbox::serve_https`] serves the same over HTTPS on loopback, for tests
//!   that should go through a real HTTP client. It needs the feature `aws-lc-rs`
//!   or `ring`, which makes its certificate.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use fiskil_auth::sandbox::Sandbox;
//! use http::{Request, StatusCode};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::new();
//! let api = ServiceBuilder::new()
//!     .layer(sandbox.layer())
//!     .service(sandbox.service());
//! let end_users = || Request::get("/v1/end-users").body(Empty::<Bytes>::new());
//!
//! let answer = api.clone().oneshot(end_users()?).await?;
//! assert_eq!(answer.status(), StatusCode::OK);
//!
//! // Sixteen minutes later the token has expired, and another one is fetched.
//! tokio::time::advance(Duration::from_secs(16 * 60)).await;
//! let answer = api.oneshot(end_users()?).await?;
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(sandbox.counts().exchanges, 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`tests/test_kit.rs`] of this crate tests a small axum service in this way.
//!
//! It is no place for the secrets of a real account: it keeps tokens and
//! credentials in plain memory, and only ever accepts the pair that it made
//! itself ([`Sandbox::credentials`]).
//!
//! [`tests/test_kit.rs`]: https://docs.rs/crate/fiskil-auth/latest/source/tests/test_kit.rs

use std::time::Duration;

use http::Request;

use self::state::Shared;
use crate::{Credentials, FiskilAuthLayer, ProvideCredentials, TokenClient};

mod answer;
mod body;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod client;
mod fault;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod https;
mod service;
mod state;

pub use self::body::SandboxBody;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub use self::client::SandboxClient;
pub use self::fault::Fault;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub use self::https::HttpsSandbox;
pub use self::service::SandboxService;
pub use self::state::Counts;

/// An in-process Fiskil.
///
/// A clone is another handle on the same one. Switches concern whatever
/// arrives after them: an answer that is already on its way stays as it is.
#[derive(Clone, Debug)]
pub struct Sandbox {
    shared: Shared,
}

impl Sandbox {
    /// A sandbox without faults, with credentials of its own.
    pub fn new() -> Self {
        Self {
            shared: Shared::new(),
        }
    }

    /// The credentials that it accepts.
    pub fn credentials(&self) -> Credentials {
        self.shared.lock().credentials()
    }

    /// The token endpoint and the API as one tower service without sockets.
    ///
    /// It looks at the method and the path only, so the URI may name any host
    /// or none.
    pub fn service(&self) -> SandboxService {
        SandboxService::new(self.shared.clone())
    }

    /// A layer with its [credentials](Self::credentials), in the place of the one that
    /// a program makes with [`FiskilAuthLayer::new`] or
    /// [`from_env`](FiskilAuthLayer::from_env). Its exchanges go to
    /// [`service`](Self::service), and its token where that of the other goes: with
    /// requests whose URI names no origin, or `https://api.fiskil.com`.
    ///
    /// An exchange is one attempt; the default token service makes up to three.
    #[must_use]
    pub fn layer(&self) -> FiskilAuthLayer {
        self.layer_for(self.credentials())
    }

    /// Like [`layer`](Self::layer), with other credentials: wrong ones, or a provider
    /// whose rotation is tested.
    #[must_use]
    pub fn layer_for(&self, credentials: impl ProvideCredentials) -> FiskilAuthLayer {
        FiskilAuthLayer::with_token_service(credentials, TokenClient::new(self.service()))
    }

    /// What it saw and did since it was made.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts()
    }

    /// The latest `POST /v1/token`, faults included, without its body. `None`
    /// before the first.
    pub fn last_exchange(&self) -> Option<Request<()>> {
        self.shared.lock().last_exchange()
    }

    /// How long the tokens issued from now on live, 15 minutes by default.
    ///
    /// A token lives exactly that long; its `expires_in` is rounded down to
    /// whole seconds. With zero it has expired on arrival.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.lock().set_lifetime(lifetime);
    }

    /// How long the token endpoint holds its answers back, not at all by
    /// default.
    ///
    /// A token's lifetime counts from the arrival of the exchange, so this much
    /// of it has passed when the answer gets out.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.lock().set_latency(latency);
    }

    /// Revokes all the tokens issued so far.
    pub fn revoke_tokens(&self) {
        self.shared.lock().revoke_tokens();
    }

    /// Replaces the credentials and returns the pair that is accepted from now
    /// on. Tokens of the old pair stay valid.
    pub fn rotate_credentials(&self) -> Credentials {
        self.shared.lock().rotate_credentials()
    }

    /// Lets every exchange fail in this way until [`heal`](Self::heal).
    pub fn fail_exchanges(&self, fault: Fault) {
        self.shared.lock().fail_exchanges(fault);
    }

    /// Lets the next `n` exchanges fail in this way.
    ///
    /// Called again before they are through, it adds to the queue, which comes
    /// before the fault of [`fail_exchanges`](Self::fail_exchanges).
    pub fn fail_next_exchanges(&self, n: u32, fault: Fault) {
        self.shared.lock().fail_next_exchanges(n, fault);
    }

    /// Ends every fault of the token endpoint, queued ones included. Exchanges
    /// that hang already go on hanging.
    pub fn heal(&self) {
        self.shared.lock().heal();
    }

    /// Lets the API answer 401 to every `n`th request in spite of its valid
    /// token, as a route may for reasons of its own. Counted from this call; 0,
    /// the default, is none of them and 1 is all.
    pub fn reject_every_nth_request(&self, n: u32) {
        self.shared.lock().reject_every_nth_request(n);
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}
