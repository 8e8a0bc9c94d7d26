//! Tower middleware that puts a valid Fiskil bearer token on every request.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod cache;
#[cfg(feature = "client")]
mod client;
mod credentials;
mod error;
mod future;
#[cfg(feature = "https")]
mod https;
mod layer;
mod origin;
mod redact;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod scope;
mod service;
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
pub use self::future::ResponseFuture;
pub use self::layer::FiskilAuthLayer;
pub use self::service::FiskilAuth;
pub use self::token::{Token, TokenRequest};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
