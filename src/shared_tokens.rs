//! One token for a fleet: a layer over a token service that shares what it
//! brings with other processes.

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod crypto;
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
#[path = "shared_tokens/no_crypto.rs"]
mod crypto;
mod entry;
mod exchange;
mod fetch;
mod health;
mod keys;
mod known;
#[cfg(all(in_repository, any(test, in_memory_fleet)))]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, dead_code)]
mod memory;
mod protocol;
mod redis_store;
mod refusal;
mod store;
#[cfg(all(test, in_repository, any(feature = "aws-lc-rs", feature = "ring")))]
mod tests;
mod turn;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::ConnectionLike;
use tokio::time::{Instant, timeout};
use tower_layer::Layer;
use tower_service::Service;

use self::exchange::exchange;
use self::health::Health;
use self::known::Known;
use self::redis_store::{Address, RedisStore};
use self::store::{Store, StoreError, StoreFuture};
use crate::panics::catch_future;
use crate::{BoxError, Error, Token, TokenRequest};

/// Lets the processes of a fleet share one token, over a Redis or a Valkey.
///
/// It is a layer over any token service:
///
/// ```no_run
/// use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, SharedTokens, Token, TokenRequest};
/// use tower::ServiceBuilder;
///
/// # fn of(exchange: impl tower::Service<TokenRequest, Response = Token, Error = BoxError, Future: Send> + Clone + Send + 'static) -> Result<(), BoxError> {
/// let tokens = ServiceBuilder::new()
///     .layer(SharedTokens::redis("rediss://cache.internal")?)
///     .service(exchange);
/// let layer = FiskilAuthLayer::with_token_service(Credentials::from_env()?, tokens);
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
///
/// All that have the same client id, secret and namespace share what is fetched,
/// what fails, and what the API rejects:
///
/// - One process exchanges at a time; two thousand that start at once make one
///   exchange. One that dies meanwhile is replaced after three seconds.
/// - A rejected token is replaced once for all, and failures hold all back as they
///   would one.
/// - Where the store fails, each process exchanges by itself, two seconds later
///   at most, and a warning says so once.
/// - What is stored is sealed with keys that the client secret derives: the store
///   sees no token, and who can write to it can withhold one, never choose one.
///
/// Tokens with less than ten seconds left are not shared. What a store sees and
/// holds, and what to watch: [the operator's page](crate::docs::fleet).
#[derive(Clone)]
pub struct SharedTokens {
    sharing: Arc<Sharing>,
}

/// What all clones of a layer and its services share.
struct Sharing {
    store: Arc<dyn Store>,
    namespace: String,
    known: Arc<Known>,
    health: Arc<Health>,
}

impl SharedTokens {
    /// Shares tokens over the Redis or Valkey at `url`:
    /// `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS with
    /// a certificate that this machine trusts, or `unix:///path`.
    ///
    /// Opens nothing yet: connections are made by fetches, one for each.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if it is no
    /// such URL, or if neither `aws-lc-rs` nor `ring` is enabled, whose cryptography
    /// seals what is stored. The error does not echo the URL.
    pub fn redis(url: impl AsRef<str>) -> Result<Self, Error> {
        crypto::available()?;
        Ok(Self::over(RedisStore::at(Address::parse(url.as_ref())?)))
    }

    /// Shares tokens over connections of your own: for Sentinel, Cluster, pools
    /// and client certificates.
    ///
    /// `connect` is called by each fetch, which drops the connection at its end,
    /// and has two seconds, commands included. A clone of one that is kept will
    /// do if it reconnects by itself; see [the operator's
    /// page](crate::docs::fleet#connections-of-your-own). Its errors are not
    /// shown, as they may have a password in them. With neither `aws-lc-rs` nor
    /// `ring` enabled, it is never called: each process exchanges by itself, and a
    /// warning says so.
    #[must_use]
    pub fn redis_with<F, Fut, C, E>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send,
        C: ConnectionLike + Send + 'static,
        E: Into<BoxError>,
    {
        Self::over(RedisStore::by(connect))
    }

    /// A fleet of one, with a store of its own: so the tests of the cache run over
    /// this layer, too.
    #[cfg(in_memory_fleet)]
    #[doc(hidden)]
    pub fn in_memory() -> Self {
        Self::over(memory::MemoryStore::new())
    }

    fn over(store: impl Store) -> Self {
        Self {
            sharing: Arc::new(Sharing {
                store: Arc::new(store),
                namespace: NAMESPACE.to_owned(),
                known: Arc::default(),
                health: Arc::default(),
            }),
        }
    }

    /// What the names of all keys begin with, as it is, in the place of
    /// `fiskil-auth`: for fleets on one store that must not share a token.
    #[must_use]
    pub fn namespace(self, name: impl Into<String>) -> Self {
        Self {
            sharing: Arc::new(Sharing {
                store: self.sharing.store.clone(),
                namespace: name.into(),
                known: Arc::default(),
                health: self.sharing.health.clone(),
            }),
        }
    }
}

impl<S> Layer<S> for SharedTokens {
    type Service = SharedTokensService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SharedTokensService {
            inner,
            sharing: self.sharing.clone(),
        }
    }
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokens")
            .field("namespace", &self.sharing.namespace)
            .finish_non_exhaustive()
    }
}

/// A token service that shares what another one brings: made by
/// [`SharedTokens`].
#[derive(Clone)]
pub struct SharedTokensService<S> {
    inner: S,
    sharing: Arc<Sharing>,
}

impl<S> Service<TokenRequest> for SharedTokensService<S>
where
    S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = Token;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Token, Error>> + Send>>;

    /// Always ready: most fetches never get to the service beneath, which is
    /// waited for when it is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let (inner, sharing) = (self.inner.clone(), self.sharing.clone());
        Box::pin(async move {
            let begun = Instant::now();
            let exchange = exchange(inner, request.clone(), fetch::deadline(begun));
            let token = fetch::fetch(&sharing, &request, exchange, begun).await?;
            sharing.known.replaced(&request, &token);
            Ok(token)
        })
    }
}

impl<S: fmt::Debug> fmt::Debug for SharedTokensService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokensService")
            .field("inner", &self.inner)
            .field("namespace", &self.sharing.namespace)
            .finish_non_exhaustive()
    }
}

/// What the store answers within `limit`. A store may be foreign code, which
/// panics.
async fn bounded<T>(limit: Duration, answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
    match timeout(limit, catch_future(answer)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(StoreError("its client panicked".to_owned())),
        Err(_) => Err(StoreError("no answer in time".to_owned())),
    }
}

const NAMESPACE: &str = "fiskil-auth";
