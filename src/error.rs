//! The one error of this crate: opaque, cheap to clone, and free of secrets.

mod foreign;
mod kind;
mod retry_at;
#[cfg(feature = "https")]
mod tls;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use self::foreign::Source;
#[cfg(feature = "redis")]
pub(crate) use self::foreign::find;
pub use self::kind::ErrorKind;
pub(crate) use self::retry_at::RetryAt;
#[cfg(feature = "https")]
pub(crate) use self::tls::{is_bad_certificate, is_other_protocol};
use crate::source;
use crate::time::{DAY, now, seconds};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request could not be given a token.
///
/// A clone shares its content, so all the requests that waited for one failed
/// fetch get the same error. Its text holds no secret and no token, and tells what
/// to do about it, and when the next fetch is permitted (`again in … s`);
/// [`source`](std::error::Error::source) has the cause, where there is one.
///
/// | [`kind`](Error::kind) | [transient](Error::is_transient) | what to do |
/// |---|---|---|
/// | [`Configuration`](ErrorKind::Configuration) | no | correct the URI or the TLS set-up that the text names, or allow the request's origin |
/// | [`Credentials`](ErrorKind::Credentials) | if the provider failed | supply the pair from the Fiskil Console |
/// | [`Refused`](ErrorKind::Refused) | if Fiskil says so | read [`status`](Error::status); give [`error_id`](Error::error_id) to Fiskil's support |
/// | [`Unavailable`](ErrorKind::Unavailable) | yes | wait for [`retry_after`](Error::retry_after) |
/// | [`Certificate`](ErrorKind::Certificate) | no | check the trust store, the host and the clock |
/// | [`InvalidAnswer`](ErrorKind::InvalidAnswer) | yes, unless it had no content (204) | check what answers at the endpoint |
/// | [`InvalidToken`](ErrorKind::InvalidToken) | yes, unless `Token::new` refused its value | check the token service |
/// | [`TokenService`](ErrorKind::TokenService) | yes, unless it was made [permanent](Error::permanent) | see the source |
/// | [`Timeout`](ErrorKind::Timeout) | yes | check the way to the endpoint |
/// | [`Runtime`](ErrorKind::Runtime) | no without one, yes when one shut down | call within a tokio runtime that has timers |
///
/// An error of your own token service or credentials provider is transient,
/// unless it is or wraps an `Error`, whose verdict then stands.
///
/// A response that has one is not Fiskil's:
///
/// ```
/// use fiskil_auth::Error;
/// use http::Response;
///
/// fn log<B>(response: &Response<B>) {
///     match response.extensions().get::<Error>() {
///         None => println!("Fiskil answered {}", response.status()),
///         Some(error) => println!(
///             "no token: {error}; for support: {:?}; again in {:?}",
///             error.error_id(),
///             error.retry_after(),
///         ),
///     }
/// }
/// # log(&Response::new(()));
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
    // Beside the shared part: the cache moves it when it backs off.
    hold: Option<RetryAt>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    transient: bool,
    text: Cow<'static, str>,
    status: Option<StatusCode>,
    id: Option<Box<str>>,
    name: Option<Box<str>>,
    source: Option<Arc<Source>>,
    token_source: source::Source,
}

impl Error {
    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether the same request may succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        self.inner.transient
    }

    /// The time left until another fetch may start, or `None` where nothing holds
    /// it back. Counted from the call, not from the failure.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_at()
            .map(|at| at.saturating_duration_since(now()))
            .filter(|left| !left.is_zero())
    }

    /// The status with which the token endpoint answered.
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// Fiskil's identifier of this occurrence, for their support (`err_…`).
    pub fn error_id(&self) -> Option<&str> {
        self.inner.id.as_deref()
    }

    /// Fiskil's stable name for this class of error, such as `unauthorized`.
    pub fn error_name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// An error of a token service or a credentials provider of your own, for
    /// what its source alone does not say: that it is
    /// [permanent](Self::permanent), or when to
    /// [come back](Self::with_retry_after). Where neither matters, an error of any
    /// type will do.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fiskil_auth::Error;
    ///
    /// let sealed = Error::other("the vault is sealed").with_retry_after(Duration::from_secs(60));
    /// assert!(sealed.is_transient());
    /// assert!(!Error::other("no such secret").permanent().is_transient());
    /// ```
    pub fn other(source: impl Into<BoxError>) -> Self {
        Self::new(ErrorKind::TokenService, OTHER).with_source(source)
    }

    /// Makes it permanent: answered with 502 instead of 503.
    #[must_use]
    pub fn permanent(self) -> Self {
        self.transient(false)
    }

    /// Holds the next fetch back for `wait` from now on, and for up to a tenth more,
    /// where that is longer than the backoff. More than five minutes count as five
    /// minutes.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.with_retry_at(now().checked_add(wait.min(DAY)))
    }

    /// Holds the next fetch back for exactly `wait` from now on, in the place of the
    /// backoff, which does not count this failure. More than five minutes count as
    /// five minutes; zero holds nothing back.
    ///
    /// For token services that back off by themselves, such as one that many
    /// processes share. [`with_retry_after`](Self::with_retry_after) is the
    /// one for a server's wish.
    #[must_use]
    pub fn with_exact_retry_after(mut self, wait: Duration) -> Self {
        self.hold = now().checked_add(wait.min(DAY)).map(RetryAt::Exactly);
        self
    }

    pub(crate) fn new(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        let inner = Inner {
            kind,
            transient: kind.is_mostly_transient(),
            text: text.into(),
            status: None,
            id: None,
            name: None,
            source: None,
            token_source: source::Source::Minted,
        };
        Self {
            inner: Arc::new(inner),
            hold: None,
        }
    }

    /// Whether Fiskil did not accept the client id and secret.
    pub(crate) fn is_of_refused_pair(&self) -> bool {
        let unaccepted = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        self.kind() == ErrorKind::Refused && self.status().is_some_and(|s| unaccepted.contains(&s))
    }

    pub(crate) fn transient(self, transient: bool) -> Self {
        self.map(|inner| inner.transient = transient)
    }

    pub(crate) fn with_source(self, source: impl Into<BoxError>) -> Self {
        let source = source.into();
        self.map(|inner| inner.source = Some(Arc::new(Source::new(source))))
    }

    #[cfg(feature = "client")]
    pub(crate) fn with_answer(
        self,
        status: impl Into<Option<StatusCode>>,
        id: Option<Box<str>>,
        name: Option<Box<str>>,
    ) -> Self {
        let status = status.into();
        self.map(|inner| {
            inner.status = status;
            inner.id = id;
            inner.name = name;
        })
    }

    /// Whose exchange brought no token.
    pub(crate) fn token_source(&self) -> source::Source {
        self.inner.token_source
    }

    /// No exchange of this process failed.
    #[cfg(feature = "redis")]
    pub(crate) fn of_the_fleet(self) -> Self {
        self.map(|inner| inner.token_source = source::Source::Shared)
    }

    fn map(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.text)?;
        let status = self.inner.status.as_ref().map(StatusCode::as_str);
        let again = self
            .retry_after()
            .map(|left| format!("{} s", seconds(left)));
        let details = [
            ("status", status),
            ("error name", self.error_name()),
            ("error id", self.error_id()),
            ("again in", again.as_deref()),
        ];
        let mut separator = " (";
        for (label, value) in details {
            if let Some(value) = value {
                write!(f, "{separator}{label} {value}")?;
                separator = ", ";
            }
        }
        match separator {
            ", " => f.write_str(")"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("transient", &self.inner.transient)
            .field("text", &self.inner.text)
            .field("status", &self.inner.status)
            .field("error_id", &self.inner.id)
            .field("error_name", &self.inner.name)
            .field("retry_after", &self.retry_after())
            .field("source", &self.inner.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().and_then(Source::get)
    }
}

const OTHER: &str = "the token service or the credentials provider failed: see the source";
