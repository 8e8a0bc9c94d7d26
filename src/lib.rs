//! Tower middleware that puts a valid [Fiskil](https://docs.fiskil.com) bearer
//! token on every request.
//!
//! Fiskil exchanges a client id and a client secret for a token that lives for
//! about 15 minutes, and every request must carry one. [`FiskilAuthLayer`] does
//! all of it: it fetches the first token when the first request needs one,
//! renews it in the background before it expires, replaces it when the API
//! rejects it, and costs a header insert otherwise.
//!
//! ```
//! use fiskil_auth::{Credentials, FiskilAuthLayer};
//! use tower::ServiceBuilder;
//!
//! # #[cfg(feature = "https")]
//! # fn stack<C: Clone>(client: C) -> Result<(), fiskil_auth::Error> {
//! let service = ServiceBuilder::new()
//!     .layer(FiskilAuthLayer::new(Credentials::from_env()?))
//!     .service(client);
//! # drop(service);
//! # Ok(())
//! # }
//! ```
//!
//! That line is the same around an `axum::Router`, a tonic channel, hyper-util's
//! client and beneath `tower::retry`. The inner service must be `Clone`; what is not
//! goes behind `tower::buffer`. Where a server's handlers call Fiskil, it goes around the
//! client that they use. Only where they pass their own requests on does it go around the
//! server, with [`inbound`](FiskilAuthLayer::inbound): it replaces what callers sent as
//! `Authorization`. From the environment, with
//! `FISKIL_BASE_URL` as well: [`FiskilAuthLayer::from_env`].
//!
//! # What happens to a request
//!
//! 1. Its URI decides whether it may carry the token: one without an origin (a tonic
//!    client, axum over HTTP/1) does, one to `https://api.fiskil.com` does, others are
//!    refused. See
//!    [`allow_origin`](FiskilAuthLayer::allow_origin),
//!    [`pass_other_origins`](FiskilAuthLayer::pass_other_origins), and on a server
//!    [`inbound`](FiskilAuthLayer::inbound).
//! 2. If there is a token, the request goes out at once, with its `Authorization`
//!    replaced. The first request past a point between 60 and 80 % of the token's
//!    lifetime also starts its renewal in the background.
//! 3. If there is none, the request waits for the one fetch that is under way, for
//!    10 s at most. It holds nothing of the inner service meanwhile.
//! 4. If the fetch fails, all who waited share its error, and until the next fetch is
//!    permitted (1 to 30 s later, or up to 5.5 minutes where the endpoint asks for
//!    that) requests without a token fail at once.
//! 5. If the API answers 401, or to a gRPC request status 16, the answer passes
//!    through, and the token is suspect until another request is let in with it, which
//!    is one that is answered with 2xx. It is renewed at once, within a budget.
//!
//! # When it fails
//!
//! The layer's error type is that of the inner service, so that it fits every
//! stack, axum's `Infallible` included. A request that can't be given a token is
//! answered by a response with an empty body, which carries the [`Error`] in its
//! [extensions](http::Response::extensions): 503 or 504 where it may pass by itself,
//! 502 where somebody must act. Over HTTP it is never a 401, which would make a layer
//! above that retries on 401 loop. gRPC callers get status 14 or 16. The table is in
#![cfg_attr(
    any(doc, doctest),
    doc = " [When it fails](crate::docs::failure); [`error_for_auth`] makes an `Err` of it."
)]
//!
//! # Pages
//!
#![cfg_attr(
    any(doc, doctest),
    doc = "| to set it up | |",
    doc = "|---|---|",
    doc = "| [Which order?](docs::order) | among other layers, and on a server |",
    doc = "| [Secrets](docs::secrets) | from the environment, files, Vault, AWS Secrets Manager |"
)]
#![cfg_attr(
    all(any(doc, doctest), feature = "https"),
    doc = "| [reqwest](docs::reqwest) | as middleware, or as a tower stack |",
    doc = "| [Proxies and corporate networks](docs::proxies) | `HTTPS_PROXY`, a private CA |",
    doc = "| [Tenants](docs::tenants) | many clients of Fiskil in one program |"
)]
#![cfg_attr(
    all(any(doc, doctest), feature = "redis"),
    doc = "| [A fleet](docs::fleet) | one token for many processes |"
)]
#![cfg_attr(
    any(doc, doctest),
    doc = "",
    doc = "| to run it | |",
    doc = "|---|---|",
    doc = "| [Deploying](docs::deploying) | start, probes, alerts, the end, rotation day |",
    doc = "| [Watching it](docs::watching) | events, metrics |",
    doc = "| [When it fails](docs::failure) | what requests are answered, and what to do |",
    doc = "| [How often is the token endpoint asked?](docs::requests) | the bound for each cause |",
    doc = "| [What you can rely on](docs::promises) | fourteen promises |"
)]
//!
//! # Runtime
//!
//! A tokio runtime with timers must run the requests, and stay alive for as
//! long as they do. Layers can be made and called outside of one.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `https` | yes | [`FiskilAuthLayer::new`], `with_base_url` and `from_env`, [`HttpsTokenService`]: hyper, rustls, the platform's trust store |
//! | `aws-lc-rs` | yes | the TLS provider that rustls itself has by default |
//! | `ring` | no | the TLS provider for programs that chose ring, with `default-features = false` |
//! | `client` | with `https` | [`TokenClient`]: the exchange over an HTTP client of your own; [`CredentialsFile`] |
//! | `retry` | yes | retry policies, and the attempts of the default HTTPS client |
//! | `sandbox` | no | [`sandbox`]: an in-process Fiskil for tests; over HTTPS with `aws-lc-rs` or `ring` |
//! | `redis` | no | `SharedTokens`: one token for a fleet, over Redis or Valkey; with `aws-lc-rs` or `ring` |
//!
//! Without default features the core remains: bring a token service.
//!
//! # TLS provider
//!
//! rustls panics in code that leaves the choice to it as soon as two providers are
//! compiled into a program and none is installed for its process. So the default
//! here is rustls' own, and nothing is added to a program that uses that, or the
//! defaults of hyper-rustls, tokio-rustls or reqwest. One that chose ring says so:
//!
//! ```toml
//! fiskil-auth = { version = "0.1", default-features = false, features = ["https", "ring"] }
//! ```
//!
//! At run time a provider that is installed for the process comes first (FIPS
//! builds install theirs), then aws-lc-rs, then ring, whichever is compiled in. The
//! first fetch decides; with `https` alone and nothing installed its error says what
//! to do, and the next fetch looks again.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authorized;
mod body;
mod cache;
mod carried;
#[cfg(feature = "client")]
mod client;
mod credentials;
#[cfg(any(doc, doctest))]
pub mod docs;
mod environment;
mod error;
mod fiskil;
mod future;
mod grpc;
#[cfg(feature = "https")]
mod https;
#[cfg(feature = "client")]
mod json;
mod layer;
mod origin;
mod panics;
mod redact;
mod response;
#[cfg(feature = "retry")]
#[cfg_attr(docsrs, doc(cfg(feature = "retry")))]
pub mod retry;
mod runtime;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod scope;
mod service;
#[cfg(feature = "redis")]
mod shared_tokens;
mod shown;
mod source;
mod time;
#[cfg(feature = "https")]
mod tls;
mod token;

pub use self::authorized::Authorized;
pub use self::body::ResponseBody;
pub use self::cache::{Resend, Status, TokenCache};
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use self::client::{TokenClient, TokenRequestBody};
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use self::credentials::CredentialsFile;
pub use self::credentials::{
    BoxProvideCredentials, Credentials, CredentialsFiles, ProvideCredentials,
};
pub use self::error::{BoxError, Error, ErrorKind};
pub use self::future::ResponseFuture;
#[cfg(feature = "https")]
#[cfg_attr(docsrs, doc(cfg(feature = "https")))]
pub use self::https::HttpsTokenService;
pub use self::layer::FiskilAuthLayer;
pub use self::response::{Answer, error_for_auth};
pub use self::service::FiskilAuth;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::shared_tokens::{SharedTokens, SharedTokensService};
pub use self::token::{Token, TokenRequest};
/// The Redis client, whose connections [`SharedTokens::redis_with`] takes.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use ::redis;
