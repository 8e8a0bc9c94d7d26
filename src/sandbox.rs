//! An in-process Fiskil, for tests: the handle on it and its switches.
//!
//! A [`Sandbox`] hands out tokens at `POST /v1/token` and accepts them at
//! `GET /v1/end-users`, with the headers, statuses and error objects of the
//! real one. It can be slow, refuse, hang or talk nonsense on demand, and it
//! counts what it saw.
//!
//! | for | there is |
//! |---|---|
//! | tests without sockets | [`Sandbox::layer`] in the place of a program's own layer, [`Sandbox::service`] in that of its HTTP client |
//! | tests and examples with a real HTTP client | [`Sandbox::serve_https`], over HTTPS on loopback, with a [layer](HttpsSandbox::layer) and a [client](HttpsSandbox::client), too |
//! | routes of your own, instead of the API | [`Sandbox::guard`], [`Sandbox::serve_https_with`] |
//! | foul weather | [`Sandbox::fail_exchanges`] and its like with a [`Fault`], [`Sandbox::script`] exchange by exchange, [`Sandbox::revoke_tokens`] |
//! | tenants | [`Sandbox::add_pair`]: each [`Pair`] with faults and counts of its own |
//! | assertions | [`Sandbox::counts`], and [`Sandbox::log`] for their messages |
//!
//! The clock is tokio's, so a test without sockets can skip the life of a token. Start
//! such a test paused (`start_paused = true`, with tokio's feature `test-util`): the
//! layer reads tokio's clock once a second only, and may notice that late that time was
//! paused in the middle. HTTPS needs the feature `aws-lc-rs` or `ring`, which makes its
//! certificate.
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
//! // In a test: #[tokio::test(start_paused = true)]
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sandbox = Sandbox::new();
//!     let api = ServiceBuilder::new()
//!         .layer(sandbox.layer())
//!         .service(sandbox.service());
//!     let end_users = || Request::get("/v1/end-users").body(Empty::<Bytes>::new());
//!
//!     let answer = api.clone().oneshot(end_users()?).await?;
//!     assert_eq!(answer.status(), StatusCode::OK);
//!
//!     // Sixteen minutes later the token has expired, and another one is fetched.
//!     tokio::time::advance(Duration::from_secs(16 * 60)).await;
//!     let answer = api.oneshot(end_users()?).await?;
//!     assert_eq!(answer.status(), StatusCode::OK);
//!     assert_eq!(sandbox.counts().exchanges, 2);
//!     Ok(())
//! }
//! ```
//!
//! `tests/test_kit.rs` in the crate's repository tests a small axum service in this way.
//!
//! It is no place for the secrets of a real account: it keeps tokens and
//! credentials in plain memory.

use std::time::Duration;

use http::Request;

use self::pairs::PairId;
use self::scripts::Subject;
use self::shared::Shared;
use crate::{Credentials, FiskilAuthLayer, ProvideCredentials, TokenClient};

mod admission;
mod answer;
mod body;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod client;
mod counts;
mod exchanged;
mod fault;
mod guard;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod https;
mod log;
mod pair;
mod pairs;
mod random;
mod script;
mod scripts;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod server;
mod service;
mod shared;
mod state;
mod step;
mod tokens;

pub use self::body::SandboxBody;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub use self::client::SandboxClient;
pub use self::counts::Counts;
pub use self::fault::Fault;
pub use self::guard::{Guarded, GuardedBody, GuardedFuture};
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub use self::https::HttpsSandbox;
pub use self::log::Log;
pub use self::pair::Pair;
pub use self::script::Script;
pub use self::service::SandboxService;
pub use self::step::Step;

/// An in-process Fiskil: see the [module](self).
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

    /// The credentials that it accepts: those of its first pair.
    pub fn credentials(&self) -> Credentials {
        self.shared.lock().credentials()
    }

    /// Makes another pair of credentials, and accepts it from now on.
    pub fn add_pair(&self) -> Pair {
        self.accept(pairs::generate_credentials())
    }

    /// Accepts these credentials, too, from now on. A pair that it knows already
    /// stays the same one, and is accepted again if it was revoked.
    pub fn accept(&self, credentials: Credentials) -> Pair {
        let id: PairId = self.shared.lock().pairs.accept(credentials);
        Pair::new(self.shared.clone(), id)
    }

    /// The token endpoint and the API as one tower service without sockets.
    ///
    /// It looks at the method and the path only, so the URI may name any host
    /// or none.
    pub fn service(&self) -> SandboxService {
        SandboxService::new(self.shared.clone())
    }

    /// Puts routes of your own behind its tokens: an `axum::Router`, tonic's
    /// `Routes`, or any other HTTP service.
    ///
    /// A request without a live token does not reach them. It is answered 401 with
    /// Fiskil's error object, or if it is gRPC's, with status 16. All others pass,
    /// and their answers, as they stream. It is ready when the routes are.
    ///
    /// Where a server wants a layer (an `axum::Router`, tonic's `Server`),
    /// `tower::layer::layer_fn` makes one of it:
    ///
    /// ```
    /// use axum::{Router, body::Body, routing::get};
    /// use fiskil_auth::sandbox::Sandbox;
    /// use http::{Request, StatusCode};
    /// use tower::layer::layer_fn;
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = Sandbox::new();
    /// let guard = sandbox.clone();
    /// let routes = Router::new()
    ///     .route("/v1/accounts", get(async || "one, two"))
    ///     .layer(layer_fn(move |routes| guard.guard(routes)));
    ///
    /// let request = || Request::get("/v1/accounts").body(Body::empty());
    /// let answer = routes.clone().oneshot(request()?).await?;
    /// assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    /// let api = ServiceBuilder::new().layer(sandbox.layer()).service(routes);
    /// assert_eq!(api.oneshot(request()?).await?.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// ```
    pub fn guard<S>(&self, routes: S) -> Guarded<S> {
        Guarded::new(routes, self.shared.clone())
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

    /// Like [`layer`](Self::layer), with other credentials: a [`Pair`]'s, wrong ones, or
    /// a provider whose rotation is tested.
    #[must_use]
    pub fn layer_for(&self, credentials: impl ProvideCredentials) -> FiskilAuthLayer {
        FiskilAuthLayer::with_token_service(credentials, TokenClient::new(self.service()))
    }

    /// What it saw and did since it was made.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts()
    }

    /// What it saw lately, for the message of an assertion that fails.
    pub fn log(&self) -> Log {
        self.shared.lock().log()
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
        self.shared.lock().lifetime = lifetime;
    }

    /// How long the token endpoint holds its answers back, not at all by
    /// default.
    ///
    /// A token's lifetime counts from the arrival of the exchange, so this much
    /// of it has passed when the answer gets out.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    /// Revokes all the tokens issued so far.
    pub fn revoke_tokens(&self) {
        self.shared.lock().revoke_tokens();
    }

    /// Replaces the first pair, and returns the one that is accepted in its place
    /// from now on. Tokens of the old pair stay valid.
    pub fn rotate_credentials(&self) -> Credentials {
        let mut state = self.shared.lock();
        state.rotate_credentials();
        state.credentials()
    }

    /// Makes every exchange fail in this way until [`heal`](Self::heal).
    pub fn fail_exchanges(&self, fault: Fault) {
        self.shared.lock().faults.set_lasting(fault);
    }

    /// Makes the next `n` exchanges fail in this way.
    ///
    /// Called again before they are through, it adds to the queue, which comes
    /// before the fault of [`fail_exchanges`](Self::fail_exchanges).
    pub fn fail_next_exchanges(&self, n: u32, fault: Fault) {
        self.shared.lock().faults.queue(n, fault);
    }

    /// Ends every fault of the token endpoint, those of single pairs and queued ones
    /// included. Exchanges that hang already go on hanging, and a [script](Self::script)
    /// lasts until it is dropped.
    pub fn heal(&self) {
        self.shared.lock().heal();
    }

    /// Makes exchanges follow a script, one step each, until what this returns is
    /// [dropped](Script). The first of these that has something for an exchange decides:
    /// the pair's script, the pair's faults, the sandbox's script, the sandbox's faults.
    /// A later script comes before an earlier one.
    ///
    /// The steps are [`Step`]s, or [`Fault`]s alone.
    #[track_caller]
    pub fn script(&self, steps: impl IntoIterator<Item = impl Into<Step>>) -> Script {
        let steps = steps.into_iter().map(Into::into).collect();
        Script::start(self.shared.clone(), Subject::All, steps)
    }

    /// Lets the API and [guarded](Self::guard) routes answer 401 to every `n`th
    /// request in spite of its valid token, as a route may for reasons of its own.
    /// Counted from this call; 0, the default, is none of them and 1 is all.
    pub fn reject_every_nth_request(&self, n: u32) {
        self.shared.lock().reject_every_nth_request(n);
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}
