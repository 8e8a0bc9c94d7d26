//! A bearer token as the token service hands it out, and the request for one.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::redact::Secrets;
use crate::source::Source;
use crate::time::DAY;
use crate::{Credentials, Error, ErrorKind};

/// A bearer token: a finished, sensitive `Authorization` header value, and how
/// long it lives.
///
/// `Debug` shows the lifetime only.
///
/// ```
/// use std::time::Duration;
/// use fiskil_auth::Token;
///
/// let token = Token::new("yMWEx", Duration::from_secs(900))?;
/// assert_eq!(token.header_value(), "Bearer yMWEx");
/// assert!(!format!("{token:?} {:?}", token.header_value()).contains("yMWEx"));
///
/// assert!(Token::new("no spaces, please", Duration::from_secs(900)).is_err());
/// # Ok::<(), fiskil_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct Token {
    header: HeaderValue,
    lifetime: Duration,
    source: Source,
}

impl Token {
    /// The token `value`, which lives for `expires_in` from the start of the
    /// exchange that returned it. More than a day counts as a day; zero is a
    /// token that has expired already.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidToken`] if the value is not 1 to 8,192 visible ASCII
    /// characters without a space. The error does not echo it.
    pub fn new(value: impl AsRef<str>, expires_in: Duration) -> Result<Self, Error> {
        let value = value.as_ref();
        let invalid = |what| Error::new(ErrorKind::InvalidToken, what);
        if value.is_empty() {
            return Err(invalid("the token is empty"));
        }
        if value.len() > MAX_LENGTH {
            return Err(invalid("the token is longer than 8,192 characters"));
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid(
                "the token has characters other than visible ASCII, so it can't be sent in a header",
            ));
        }
        let text = Zeroizing::new([SCHEME, value].concat().into_bytes());
        Ok(Self {
            header: header(text).ok_or_else(|| invalid("the token can't be sent in a header"))?,
            lifetime: expires_in.min(DAY),
            source: Source::Minted,
        })
    }

    /// The value for the `Authorization` header, `Bearer …`, marked sensitive.
    pub fn header_value(&self) -> &HeaderValue {
        &self.header
    }

    /// How long the token lives, counted from the start of its exchange.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The bare token, without the scheme.
    pub(crate) fn value(&self) -> &str {
        let text = self.header.to_str().unwrap_or_default();
        text.strip_prefix(SCHEME).unwrap_or_default()
    }

    /// A token that shares no memory with this one.
    pub(crate) fn deep_clone(&self) -> Self {
        let bytes = Zeroizing::new(self.header.as_bytes().to_vec());
        Self {
            header: header(bytes).unwrap_or_else(|| self.header.clone()),
            lifetime: self.lifetime,
            source: self.source,
        }
    }

    /// Where it came from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    #[cfg(feature = "redis")]
    pub(crate) fn with_source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The same token with another lifetime, as it counts from another instant.
    #[cfg(feature = "redis")]
    pub(crate) fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.min(DAY);
        self
    }

    pub(crate) fn is_same_value(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// The request that a token service answers with a [`Token`].
///
/// `Debug` shows the client id, never the secret or a token.
///
/// ```
/// use std::time::Duration;
/// use fiskil_auth::{BoxError, Credentials, Token, TokenRequest};
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // A token service of one's own: here one that has a token for everybody.
/// let tokens = service_fn(async |request: TokenRequest| {
///     let of = request.credentials.client_id();
///     Token::new(format!("token-of-{of}"), Duration::from_secs(900))
/// });
///
/// let request = TokenRequest::new(Credentials::new("id", "secret"));
/// assert_eq!(tokens.oneshot(request).await?.header_value(), "Bearer token-of-id");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The credentials to exchange.
    pub credentials: Credentials,
    /// The token that the API rejected or the user invalidated, if that is why
    /// another is wanted. A token service with a cache of its own must not
    /// answer with this one.
    pub rejected: Option<Token>,
    /// The token that the cache uses now, if any. A token service with a cache of
    /// its own answers with another one: it is asked because this one expires soon,
    /// or is to be replaced.
    pub held: Option<Token>,
}

impl TokenRequest {
    /// A request that exchanges `credentials`, with no token in use or rejected
    /// before.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            rejected: None,
            held: None,
        }
    }

    /// The client secret and the tokens in it.
    pub(crate) fn secrets(&self) -> Secrets<'_> {
        let tokens = self.rejected.iter().chain(&self.held);
        Secrets::none()
            .and([self.credentials.expose_secret()])
            .and(tokens.map(Token::value))
    }
}

/// A header value of these bytes, wiped when its last clone is dropped: that of
/// the last request that carries it.
fn header(bytes: Zeroizing<Vec<u8>>) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(Wiped(bytes))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Bytes in an allocation whose reference count shares no cache line with
/// another's: 128 bytes, as processors fetch lines in pairs.
#[repr(align(128))]
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

const SCHEME: &str = "Bearer ";

/// Fiskil's tokens have a few hundred characters; servers commonly refuse
/// headers past 8 KiB.
const MAX_LENGTH: usize = 8192;
