//! The pair of client id and client secret.

mod content;
mod env;
#[cfg(feature = "client")]
mod file;
mod files;
mod mount;
mod provide;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

#[cfg(feature = "client")]
pub use self::file::CredentialsFile;
pub use self::files::CredentialsFiles;
pub use self::provide::{BoxProvideCredentials, ProvideCredentials};
use crate::environment::find_problem;
#[cfg(feature = "client")]
use crate::shown::shown;
use crate::{Error, ErrorKind};

/// A client id and its secret, as the Fiskil Console generates them.
///
/// A clone shares the secret, which is wiped when the last one is dropped.
/// `Debug` shows the client id only.
///
/// ```
/// use fiskil_auth::Credentials;
///
/// let credentials = Credentials::new("client-id", "keep me safe");
/// assert_eq!(credentials.client_id(), "client-id");
/// assert!(!format!("{credentials:?}").contains("keep me safe"));
/// ```
///
/// They are the simplest of [providers](ProvideCredentials): nothing rotates them.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Pair>,
}

struct Pair {
    client_id: String,
    client_secret: Zeroizing<String>,
    #[cfg_attr(
        not(feature = "client"),
        allow(dead_code, reason = "only `TokenClient` names it")
    )]
    place: Place,
}

/// Where a pair is from, to name it by.
#[cfg_attr(
    not(feature = "client"),
    allow(dead_code, reason = "only `TokenClient` names it")
)]
enum Place {
    /// A caller of [`Credentials::new`].
    Unknown,
    Named(String),
}

impl Credentials {
    /// The given pair, exactly as it is: nothing is trimmed.
    ///
    /// It is checked before each exchange: an empty value, or one with control
    /// characters (a newline from a file, say), ends that exchange with
    /// [`ErrorKind::Credentials`] and nothing is sent.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        let pair = Pair {
            client_id: client_id.into(),
            client_secret: Zeroizing::new(client_secret.into()),
            place: Place::Unknown,
        };
        Self {
            inner: Arc::new(pair),
        }
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// The client secret, for token services of your own. What is made of it is
    /// yours to keep out of logs, and to wipe.
    pub fn expose_secret(&self) -> &str {
        &self.inner.client_secret
    }

    fn of(client_id: &str, client_secret: Zeroizing<String>, place: Place) -> Self {
        let pair = Pair {
            client_id: client_id.to_owned(),
            client_secret,
            place,
        };
        Self {
            inner: Arc::new(pair),
        }
    }

    /// What to call the pair in a message: where it is from, or its client id.
    #[cfg(feature = "client")]
    pub(crate) fn name(&self) -> String {
        match &self.inner.place {
            Place::Named(place) => format!("credentials in {place}"),
            Place::Unknown => {
                let id = shown(format_args!("{:?}", self.client_id()));
                format!("credentials of client id {id}")
            }
        }
    }

    /// Whether both are the same client id and secret.
    pub(crate) fn is_same_pair(&self, other: &Self) -> bool {
        self.client_id() == other.client_id() && self.expose_secret() == other.expose_secret()
    }

    /// Whether the pair may be sent at all.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for (what, value) in [("id", self.client_id()), ("secret", self.expose_secret())] {
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
