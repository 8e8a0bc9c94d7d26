//! What a fetch consists of: credentials from the provider, then a token from the
//! token service, both type-erased.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, mem};

use http::HeaderValue;
use tower_service::Service;
use tracing::Span;

use super::clock::Clock;
use super::core::{Claim, Now, is_outrun};
use super::recent_secrets::RecentSecrets;
use super::sync::Mutex;
use crate::redact::Secrets;
use crate::source::Source;
use crate::{BoxError, Credentials, Error, ErrorKind, ProvideCredentials, Token, TokenRequest};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Outcome<E> = Result<(Token, Now), E>;

/// The provider and the token service.
pub(super) struct Fetcher {
    provider: Box<dyn Provider>,
    service: Mutex<Box<dyn TokenService>>,
    recent: Mutex<RecentSecrets>,
    exchanges: AtomicU64,
}

impl Fetcher {
    pub(super) fn new<P, S>(provider: P, service: S) -> Self
    where
        P: ProvideCredentials,
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self {
            provider: Box::new(provider),
            service: Mutex::new(Box::new(service)),
            recent: Mutex::new(RecentSecrets::default()),
            exchanges: AtomicU64::new(0),
        }
    }

    /// The exchanges so far that were this process's own.
    pub(super) fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }

    /// Exchanges the provider's credentials. Also returns when the token service was
    /// called: the token's lifetime counts from there.
    ///
    /// A token that has expired because a clock jumped meanwhile, as it does where
    /// a machine is suspended, is asked for once more.
    pub(super) async fn run(&self, claim: &Claim<Token>, clock: &Clock) -> Outcome<Error> {
        let (token, called_at) = self.fetch(claim, clock).await?;
        match is_outrun(&token, called_at, clock.now()) {
            true => self.fetch(claim, clock).await,
            false => Ok((token, called_at)),
        }
    }

    /// Where the pair is refused, the provider is asked once more: it may have
    /// been rotated in the meantime. Each pair makes an exchange of its own, and
    /// nothing of the refused one's is left in the next.
    async fn fetch(&self, claim: &Claim<Token>, clock: &Clock) -> Outcome<Error> {
        let pair = self.provide().await?;
        let refusal = match self.exchange(pair.clone(), claim, clock).await {
            Err(error) if error.is_of_refused_pair() => error,
            outcome => return outcome,
        };
        match self.provide().await {
            Ok(next) if !next.is_same_pair(&pair) => self.exchange(next, claim, clock).await,
            // Fiskil's verdict says more than that there is no other pair.
            Ok(_) | Err(_) => Err(refusal),
        }
    }

    /// Whether this is the header value of a token that was fetched lately.
    pub(super) fn is_recent(&self, value: &HeaderValue) -> bool {
        self.recent.lock().has_token(value)
    }

    async fn provide(&self) -> Result<Credentials, Error> {
        let pair = self.provider.credentials().await.map_err(|source| {
            self.error(
                ErrorKind::Credentials,
                NO_CREDENTIALS,
                source,
                Secrets::none(),
            )
        })?;
        pair.validate()?;
        self.recent.lock().note_pair(&pair);
        Ok(pair)
    }

    async fn exchange(
        &self,
        credentials: Credentials,
        claim: &Claim<Token>,
        clock: &Clock,
    ) -> Outcome<Error> {
        Span::current().record("client_id", credentials.client_id());
        let request = TokenRequest {
            credentials,
            rejected: claim.rejected.clone(),
            held: claim.held.clone(),
        };
        let sent = request.clone();
        let failed = |source| {
            self.error(
                ErrorKind::TokenService,
                SERVICE_FAILED,
                source,
                sent.secrets(),
            )
        };
        // A clone for each exchange, dropped at its end: one instance that was
        // given up while it was getting ready could keep a permit for ever.
        // The lock is for this only, and no other code of the crate takes it.
        let mut service = self.service.lock().clone_boxed();
        service.ready().await.map_err(&failed)?;
        let called_at = clock.now();
        let counted = Counted(&self.exchanges);
        let outcome = service.exchange(request).await.map_err(failed);
        let source = match &outcome {
            Ok(token) => {
                self.recent.lock().note_token(token);
                token.source()
            }
            Err(error) => error.token_source(),
        };
        match source {
            Source::Minted => drop(counted),
            Source::Shared => mem::forget(counted),
        }
        Ok((outcome?, called_at))
    }

    /// The error that foreign code's is, without what would give away a secret.
    fn error(
        &self,
        kind: ErrorKind,
        text: &'static str,
        source: BoxError,
        secrets: Secrets<'_>,
    ) -> Error {
        // A copy, as the error's own code runs: no lock may be held then.
        let recent = self.recent.lock().clone();
        Error::foreign(kind, text, source, &recent.and(secrets))
    }
}

/// Counts an exchange from its call on, at its end or when it is given up.
struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

/// [`ProvideCredentials`] as an object.
trait Provider: Send + Sync {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, BoxError>>;
}

impl<P: ProvideCredentials> Provider for P {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, BoxError>> {
        Box::pin(ProvideCredentials::credentials(self))
    }
}

/// A token service as an object.
trait TokenService: Send {
    fn clone_boxed(&self) -> Box<dyn TokenService>;

    fn ready(&mut self) -> BoxFuture<'_, Result<(), BoxError>>;

    fn exchange(
        self: Box<Self>,
        request: TokenRequest,
    ) -> BoxFuture<'static, Result<Token, BoxError>>;
}

impl<S> TokenService for S
where
    S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn clone_boxed(&self) -> Box<dyn TokenService> {
        Box::new(self.clone())
    }

    fn ready(&mut self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(poll_fn(|cx| self.poll_ready(cx).map_err(Into::into)))
    }

    fn exchange(
        mut self: Box<Self>,
        request: TokenRequest,
    ) -> BoxFuture<'static, Result<Token, BoxError>> {
        Box::pin(async move { self.call(request).await.map_err(Into::into) })
    }
}

const NO_CREDENTIALS: &str = "the credentials provider failed: see the source";
const SERVICE_FAILED: &str = "the token service failed: see the source";

#[cfg(all(test, in_repository, not(loom)))]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests;
