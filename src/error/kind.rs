//! The classes of errors.

/// The class of an [`Error`](crate::Error). What to do about each is in the table
/// [there](crate::Error).
///
/// ```
/// use fiskil_auth::{Error, ErrorKind};
///
/// fn hint(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::Credentials | ErrorKind::Refused => "check the key in the Fiskil Console",
///         ErrorKind::Certificate => "check the trust store",
///         _ if error.is_transient() => "it passes by itself",
///         _ => "read the text",
///     }
/// }
/// # assert_eq!(hint(&Error::other("the vault is sealed")), "it passes by itself");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URI or the TLS set-up can't be used, or a request was for an origin where
    /// the token may not go.
    Configuration,
    /// There are no credentials, they are malformed, or their provider failed.
    Credentials,
    /// The token endpoint refused the exchange.
    Refused,
    /// The token endpoint can't be reached, is overloaded or failed.
    Unavailable,
    /// The token endpoint's TLS certificate is not trusted.
    Certificate,
    /// The token endpoint answered with success, but with no usable token.
    InvalidAnswer,
    /// A token can't be used: it is no header value, had expired on arrival,
    /// or had been rejected before.
    InvalidToken,
    /// A token service of your own failed, a credentials provider returned
    /// [`Error::other`](crate::Error::other), or one of either panicked.
    TokenService,
    /// The deadline of a fetch passed.
    Timeout,
    /// There is no tokio runtime with timers, or it shut down.
    Runtime,
}

impl ErrorKind {
    /// Whether an error of this class is transient, unless more is known of it.
    pub(super) fn is_mostly_transient(self) -> bool {
        match self {
            Self::Unavailable | Self::InvalidAnswer | Self::TokenService | Self::Timeout => true,
            Self::Configuration
            | Self::Credentials
            | Self::Refused
            | Self::Certificate
            | Self::InvalidToken
            | Self::Runtime => false,
        }
    }
}
