//! The pair of client id and client secret, and whoever provides it.

#[cfg(feature = "client")]
mod file;

use std::env::{self, VarError};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

#[cfg(feature = "client")]
pub use self::file::CredentialsFile;
use crate::{BoxError, Error, ErrorKind};

/// A client id and its secret, as the Fiskil Console generates them.
///
/// A clone shares the secret, which is wiped when the last one is dropped.
/// `Debug` shows the client id only.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Pair>,
}

struct Pair {
    client_id: String,
    client_secret: SecretString,
}

impl Credentials {
    /// The given pair, exactly as it is: nothing is trimmed.
    ///
    /// It is checked before each exchange: an empty value, or one with control
    /// characters (a newline from a file, say), ends that exchange with
    /// [`ErrorKind::Credentials`] and nothing is sent.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<SecretString>) -> Self {
        Self {
            inner: Arc::new(Pair {
                client_id: client_id.into(),
                client_secret: client_secret.into(),
            }),
        }
    }

    /// The pair in the environment variables `FISKIL_CLIENT_ID` and
    /// `FISKIL_CLIENT_SECRET`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`], naming every variable that is unset, empty,
    /// not Unicode or has control characters. It never shows a value.
    pub fn from_env() -> Result<Self, Error> {
        let (id, secret) = (read_variable(ID_VARIABLE), read_variable(SECRET_VARIABLE));
        match (id, secret) {
            (Ok(id), Ok(secret)) => Ok(Self::new(id, secret)),
            (id, secret) => {
                let problems: Vec<String> = id.err().into_iter().chain(secret.err()).collect();
                Err(Error::new(
                    ErrorKind::Credentials,
                    format!(
                        "{}: set both to the values from the Fiskil Console",
                        problems.join(" and ")
                    ),
                ))
            }
        }
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// The client secret, for token services of your own.
    pub fn client_secret(&self) -> &SecretString {
        &self.inner.client_secret
    }

    /// Whether both are the same client id and secret.
    pub(crate) fn is_same_pair(&self, other: &Self) -> bool {
        self.client_id() == other.client_id()
            && self.client_secret().expose_secret() == other.client_secret().expose_secret()
    }

    /// Whether the pair may be sent at all.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let secret = self.inner.client_secret.expose_secret();
        for (what, value) in [("id", self.client_id()), ("secret", secret)] {
            if let Some(problem) = find_problem(value) {
                return Err(Error::new(
                    ErrorKind::Credentials,
                    format!("the client {what} {problem}: use the value from the Fiskil Console"),
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.inner.client_id)
            .finish_non_exhaustive()
    }
}

/// Provides the credentials: asked before every exchange, so that a rotated
/// pair needs no restart.
///
/// [`Credentials`] provide themselves, and `CredentialsFile` (feature `client`,
/// as it reads JSON) reads a mounted secret. For anything else pass a closure
/// that returns a `Send` future:
///
/// ```
/// use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer};
///
/// async fn from_vault() -> Result<Credentials, BoxError> {
/// #   Ok(Credentials::new("id", "secret"))
///     // …
/// }
///
/// # #[cfg(feature = "https")]
/// let layer = FiskilAuthLayer::new(from_vault);
/// ```
///
/// The time that it takes counts towards the deadline of the exchange, and an
/// error of it is transient, unless it is or wraps an [`Error`].
///
/// # Rotation
///
/// Let the provider return the new pair, then delete the old one in the Console.
/// Requests go on with the token in use, and the next exchange is made with the
/// new pair. One that is under way keeps the pair it began with. If the token
/// endpoint refuses that (401 or 403), the provider is asked once more at once,
/// and another pair is exchanged within the same deadline: once, so a provider
/// that never agrees with itself costs two exchanges where there was one.
///
/// Old and new never mix: an exchange has one pair, all its attempts included,
/// and once it has been given up for another, a token that it still brings is
/// dropped.
pub trait ProvideCredentials: Send + Sync + 'static {
    /// The credentials to exchange next.
    fn credentials(&self) -> impl Future<Output = Result<Credentials, BoxError>> + Send;
}

impl ProvideCredentials for Credentials {
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        Ok(self.clone())
    }
}

impl<F, Fut, E> ProvideCredentials for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, E>> + Send,
    E: Into<BoxError>,
{
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        self().await.map_err(Into::into)
    }
}

fn read_variable(name: &str) -> Result<String, String> {
    match env::var(name) {
        Ok(value) => match find_problem(&value) {
            None => Ok(value),
            Some(problem) => Err(format!("{name} {problem}")),
        },
        Err(VarError::NotPresent) => Err(format!("{name} is not set")),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not Unicode")),
    }
}

fn find_problem(value: &str) -> Option<&'static str> {
    if value.is_empty() {
        Some("is empty")
    } else if value.chars().any(char::is_control) {
        Some("has a control character in it (a newline at its end?)")
    } else {
        None
    }
}

const ID_VARIABLE: &str = "FISKIL_CLIENT_ID";
const SECRET_VARIABLE: &str = "FISKIL_CLIENT_SECRET";
