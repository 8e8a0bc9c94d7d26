//! Whoever provides the credentials.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Credentials;
use crate::BoxError;

/// Provides the credentials: asked before every exchange, so that a rotated
/// pair needs no restart.
///
/// [`Credentials`] provide themselves. [`CredentialsFiles`](crate::CredentialsFiles)
/// and `CredentialsFile` (feature `client`, as it reads JSON) read mounted secrets.
/// For anything else pass a closure that returns a `Send` future:
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
/// Which one it is can be decided at run time: [`BoxProvideCredentials`].
///
/// The time that it takes counts towards the deadline of the fetch. An error that it
/// returns counts as transient; if it is or wraps an [`Error`](crate::Error), that one's
/// `is_transient` decides.
///
/// # Rotation
///
/// Let the provider return the new pair, then delete the old one in the Console.
/// Requests go on with the token in use, and the next exchange is made with the
/// new pair. An exchange that is under way keeps its pair. If the token endpoint
/// refuses that pair (401 or 403), the provider is asked once more at once, and if
/// it has another pair, that is exchanged within the same fetch and its deadline.
/// This happens once in a fetch, so that it makes two exchanges at most.
///
/// Old and new never mix: all attempts of an exchange have the same pair, and a
/// token that still comes of an exchange which was given up is dropped.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not provide Fiskil credentials",
    label = "these are no credentials, and no provider of them",
    note = "`Credentials::from_env()` returns a `Result`: add a `?`",
    note = "a closure must return a `Send` future of a `Result<Credentials, _>`"
)]
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

/// A credentials provider of any type, for where it is chosen at run time.
///
/// A clone shares the provider.
///
/// ```
/// use fiskil_auth::{BoxProvideCredentials, Credentials, CredentialsFiles};
///
/// # fn choose() -> Result<BoxProvideCredentials, fiskil_auth::Error> {
/// let credentials = match std::env::var_os("FISKIL_CLIENT_ID") {
///     Some(_) => BoxProvideCredentials::new(Credentials::from_env()?),
///     None => BoxProvideCredentials::new(CredentialsFiles::new(
///         "/run/secrets/fiskil/client_id",
///         "/run/secrets/fiskil/client_secret",
///     )),
/// };
/// # Ok(credentials)
/// # }
/// ```
#[derive(Clone)]
pub struct BoxProvideCredentials {
    inner: Arc<dyn Provider>,
}

impl BoxProvideCredentials {
    /// Boxes a provider.
    pub fn new(provider: impl ProvideCredentials) -> Self {
        Self {
            inner: Arc::new(provider),
        }
    }
}

impl ProvideCredentials for BoxProvideCredentials {
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        self.inner.credentials().await
    }
}

impl fmt::Debug for BoxProvideCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxProvideCredentials")
            .finish_non_exhaustive()
    }
}

/// [`ProvideCredentials`] as an object.
trait Provider: Send + Sync {
    fn credentials(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, BoxError>> + Send + '_>>;
}

impl<P: ProvideCredentials> Provider for P {
    fn credentials(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, BoxError>> + Send + '_>> {
        Box::pin(ProvideCredentials::credentials(self))
    }
}
