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
//! # #[cfg(feature = "_https")]
//! # fn stack<C>(client: C) -> Result<(), fiskil_auth::Error> {
//! let service = ServiceBuilder::new()
//!     .layer(FiskilAuthLayer::new(Credentials::from_env()?))
//!     .service(client);
//! # drop(service);
//! # Ok(())
//! # }
//! ```
//!
//! That line is the same around an `axum::Router`, a tonic channel, hyper-util's
//! client and beneath `tower::retry`.
//!
//! # What happens to a request
//!
//! 1. Its URI decides whether it may carry the token at all: one without an
//!    origin (axum, tonic) does, one to `https://api.fiskil.com` does, others
//!    pass untouched, and plain HTTP to Fiskil fails. See
//!    [`allow_origin`](FiskilAuthLayer::allow_origin), and on a server
//!    [`inbound`](FiskilAuthLayer::inbound).
//! 2. If there is a token, it goes out at once, with `Authorization` replaced.
//!    The first request past a point between 60 and 80 % of the token's
//!    lifetime also starts its renewal in the background.
//! 3. If there is none, the request waits for the one exchange that is under
//!    way, for 10 s at most. It holds nothing of the inner service meanwhile.
//! 4. If the exchange fails, all who waited share its error, and until the next
//!    attempt is due (1 to 30 s later) requests fail at once.
//! 5. If the API answers 401, or a gRPC answer has status 16, that token is
//!    renewed, at once or, where that did not help before, at the same spacing.
//!    The answer itself passes through.
//!
//! # When it fails
//!
//! The layer's error type is that of the inner service, so that it fits every
//! stack, axum's `Infallible` included. A request that can't be given a token
//! is answered by a response with an empty body, which carries the [`Error`] in
//! its [extensions](http::Response::extensions):
//!
//! | failure | HTTP | gRPC request (`application/grpc…`) |
//! |---|---|---|
//! | transient | 503, with `Retry-After` | `UNAVAILABLE` (14) |
//! | past the deadline | 504 | `UNAVAILABLE` (14) |
//! | permanent | 502 | `UNAUTHENTICATED` (16) |
//!
//! It is never a 401, which would make a layer above that retries on 401 loop.
//!
//! ```
//! use fiskil_auth::{Credentials, Error, ErrorKind, FiskilAuthLayer, Token, TokenRequest};
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any `Service<TokenRequest, Response = Token>` can be the source of tokens.
//! let tokens = service_fn(|_: TokenRequest| async {
//!     Token::new("…not a header…", std::time::Duration::from_secs(900))
//! });
//! let layer = FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens);
//! let api = layer.layer(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::io::Error>(Response::new(()))
//! }));
//!
//! let response = api.oneshot(Request::new(())).await?;
//! assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
//! let error: &Error = response.extensions().get().ok_or("no error")?;
//! assert_eq!(error.kind(), ErrorKind::InvalidToken);
//! # Ok(())
//! # }
//! ```
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
//! | `https` | yes | [`FiskilAuthLayer::new`] and `with_base_url`: hyper, rustls with ring, the platform's trust store |
//! | `client` | with `https` | [`TokenClient`]: the exchange over an HTTP client of your own; [`CredentialsFile`] |
//! | `retry` | yes | retry policies, and the attempts of the default HTTPS client |
//! | `aws-lc-rs` | no | what `https` brings, with aws-lc-rs in the place of ring, also where both are compiled in |
//! | `sandbox` | no | [`sandbox`]: an in-process Fiskil for tests |
//! | `redis` | no | `SharedTokens`: one token for a fleet, over Redis or Valkey; needs `https` or `aws-lc-rs` |
//!
//! Without default features the core remains: bring a token service.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod cache;
#[cfg(feature = "client")]
mod client;
mod credentials;
#[cfg(any(doc, doctest))]
pub mod docs;
mod error;
mod error_for_auth;
mod future;
#[cfg(feature = "_https")]
mod https;
#[cfg(feature = "client")]
mod json;
mod layer;
mod origin;
mod redact;
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
mod token;

pub use self::body::ResponseBody;
pub use self::cache::{Status, TokenCache};
#[cfg(feature = "client")]
pub use self::client::TokenClient;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use self::credentials::CredentialsFile;
pub use self::credentials::{Credentials, ProvideCredentials};
pub use self::error::{Error, ErrorKind};
pub use self::error_for_auth::error_for_auth;
pub use self::future::ResponseFuture;
pub use self::layer::FiskilAuthLayer;
pub use self::service::FiskilAuth;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::shared_tokens::{SharedTokens, SharedTokensService};
pub use self::token::{Token, TokenRequest};
/// The Redis client, whose connections [`SharedTokens::redis_with`] takes.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use ::redis;

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
