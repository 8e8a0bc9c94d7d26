//! The token cache: a handle on the token that all requests of a layer share.

mod cached;
mod clock;
mod coarse;
mod decision;
mod exchange;
mod failure;
mod flight;
mod held;
#[cfg(all(test, loom))]
#[allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
mod interleavings;
mod known;
mod life;
#[cfg(all(test, not(loom)))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod model;
mod report;
#[cfg(all(test, not(loom)))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod scenarios;
mod shared;
mod spacing;
mod status;
mod sync;
mod task;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use tower_service::Service;

pub(crate) use self::cached::CachedToken;
use self::exchange::Exchange;
#[cfg(feature = "redis")]
pub(crate) use self::held::{lifetime_for, usable_for};
use self::shared::{Shared, Step};
#[cfg(feature = "redis")]
pub(crate) use self::spacing::wait_after;
pub use self::status::Status;
pub(crate) use self::wait::Wait;
use crate::{BoxError, Error, ProvideCredentials, Token, TokenRequest};

/// A handle on the token that all requests of a layer share.
///
/// It serves where requests don't pass through the layer: to fetch the first
/// token at start, in a readiness probe, for [metrics](crate::docs::watching). A
/// clone is another handle on the same token. All waiting ends within the deadline of an exchange, 10 s.
///
/// All futures must run within a tokio runtime that has timers; without one
/// they fail with [`ErrorKind::Runtime`](crate::ErrorKind::Runtime).
#[derive(Clone, Debug)]
pub struct TokenCache {
    shared: Arc<Shared>,
}

impl TokenCache {
    pub(crate) fn new<P, S>(provider: P, service: S) -> Self
    where
        P: ProvideCredentials,
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self {
            shared: Shared::new(Exchange::new(provider, service)),
        }
    }

    /// The token that a request would carry now: at once where there is one,
    /// otherwise from the exchange under way or a new one.
    ///
    /// # Errors
    ///
    /// What the exchange failed with; while exchanges are held back after a
    /// failure, its error at once.
    pub async fn token(&self) -> Result<Token, Error> {
        let cached = match self.fresh() {
            Some(cached) => cached,
            None => self.wait(Wait::PATIENCE).await?,
        };
        Ok(cached.token().clone())
    }

    /// Renews the token now, or joins the renewal under way, and returns the
    /// new one. The token in use stays in use meanwhile, and if this fails.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token): also while exchanges are held back.
    pub async fn refresh(&self) -> Result<Token, Error> {
        let cached = Wait::renewed(self.shared.clone()).await?;
        Ok(cached.token().clone())
    }

    /// Drops `token`, if it is the one in use: the next request starts an
    /// exchange and waits for it; where exchanges are held back, requests fail
    /// until one is permitted. In use or not, it is not sent again: a token
    /// service that hands it out has failed. The latest 16 are remembered.
    ///
    /// This is for tokens that are known to be dead or leaked. A 401 needs no
    /// such call: the layer sees it, and renews without an outage.
    pub fn invalidate(&self, token: &Token) {
        self.shared.invalidate(token);
    }

    /// What the cache tells of itself, now.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The token that may be sent without waiting, and whether its renewal is
    /// due and must be [started](CachedToken::renew).
    pub(crate) fn ready(&self) -> Option<(Arc<CachedToken>, bool)> {
        if let Some(token) = self.fresh() {
            return Some((token, false));
        }
        match self.shared.decide(false) {
            Step::Send(token) => Some((token, false)),
            Step::SendAndRenew(token) => Some((token, true)),
            Step::Join(_) | Step::Claim | Step::Fail(_) => None,
        }
    }

    /// The token that may be sent without a further thought: the hot path.
    fn fresh(&self) -> Option<Arc<CachedToken>> {
        self.shared.fresh()
    }

    pub(crate) fn wait(&self, patience: Duration) -> Wait {
        Wait::new(self.shared.clone(), patience)
    }
}

/// For everything from the credentials provider to the last byte of the answer.
/// A token endpoint that takes longer is as good as down, and the callers'
/// own deadlines are commonly longer than this.
const DEADLINE: Duration = Duration::from_secs(10);
