//! Tower middleware that puts a valid Fiskil bearer token on every request.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
mod client;
mod credentials;
mod error;
#[cfg(feature = "https")]
mod https;
mod origin;
mod redact;
mod token;

#[cfg(feature = "client")]
pub use self::client::TokenClient;
pub use self::credentials::{Credentials, ProvideCredentials};
pub use self::error::{Error, ErrorKind};
pub use self::token::{Token, TokenRequest};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
