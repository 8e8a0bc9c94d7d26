//! The token cache: a handle on the token that all requests of a layer share.

mod clock;
mod coarse;
mod core;
mod failure;
mod fetcher;
mod flight;
mod instance;
#[cfg(all(test, loom))]
#[allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
mod interleavings;
mod mark;
#[cfg(all(test, in_repository, not(loom)))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod model;
mod recent_secrets;
mod registry;
mod report;
#[cfg(all(test, in_repository, not(loom)))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
pub(crate) mod scenarios;
mod shards;
mod shared;
mod status;
mod sync;
mod task;
mod wait;

use std::sync::Arc;

use http::HeaderValue;
use tower_service::Service;

pub use self::core::Resend;
use self::core::{Ask, Step};
pub(crate) use self::core::{Renewal, Usable};
#[cfg(feature = "redis")]
pub(crate) use self::core::{lifetime_for, usable_for, wait_after};
use self::fetcher::Fetcher;
pub(crate) use self::mark::{Bearer, Mark};
pub(crate) use self::shards::Own;
use self::shared::Shared;
pub use self::status::Status;
pub(crate) use self::wait::{Budget, Wait};
use crate::{BoxError, Error, ProvideCredentials, Token, TokenRequest};

/// A handle on the token that all requests of a layer share.
///
/// It serves where requests don't pass through the layer: to fetch the first
/// token at start, in a readiness probe, for [metrics](crate::docs::watching). A
/// clone is another handle on the same token. All waiting ends within the
/// deadline of a fetch, 10 s.
///
/// All futures must run within a tokio runtime that has timers; without one
/// they fail with [`ErrorKind::Runtime`](crate::ErrorKind::Runtime).
///
/// ```
/// # #[cfg(not(feature = "sandbox"))]
/// # fn main() {}
/// # #[cfg(feature = "sandbox")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fiskil_auth::Error> {
/// # let layer = fiskil_auth::sandbox::Sandbox::new().layer();
/// let tokens = layer.tokens();
///
/// // A client that is none of the layer's, such as a websocket:
/// let token = tokens.token().await?;
/// let request = http::Request::get("wss://api.fiskil.com/v1/events")
///     .header("authorization", token.header_value());
/// # drop(request);
/// // … and it was answered with 401: the next token is another one.
/// tokens.report_rejected(&token);
/// # tokens.token().await?;
///
/// let status = tokens.status();
/// assert_eq!((status.fetches, status.rejections), (2, 1));
/// # Ok(())
/// # }
/// ```
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
            shared: Shared::new(Fetcher::new(provider, service)),
        }
    }

    /// The token that a request would carry now: at once where there is one,
    /// otherwise from the fetch under way or a new one.
    ///
    /// This is what a readiness probe should ask: it also fails where requests
    /// go out, but are not going to be let in.
    ///
    /// # Errors
    ///
    /// What the fetch failed with; while fetches are held back after a failure,
    /// its error at once. The same where the API rejected the token and its renewal
    /// failed, after a second in which no other request was let in with that token:
    /// had one been, the 401 would be its route's own.
    pub async fn token(&self) -> Result<Token, Error> {
        let probe = Wait::new(self.shared.clone(), Ask::Probe, Budget::MAX);
        let result = probe.await;
        let is_due = match &result {
            Ok(usable) => usable.renewal == Renewal::Due,
            // A suspect token, which requests go out with, may be due as well.
            Err(_) => self.shared.status().suspect,
        };
        if is_due {
            self.shared.renew();
        }
        Ok(result?.token)
    }

    /// Renews the token now, or joins the renewal under way, and returns the
    /// new one. The token in use stays in use meanwhile, and if this fails.
    ///
    /// ```
    /// # async fn rotated(tokens: fiskil_auth::TokenCache) -> Result<(), fiskil_auth::Error> {
    /// // The vault has another pair: don't wait until the token is renewed anyway.
    /// tokens.refresh().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the fetch failed with; while fetches are held back after a failure,
    /// its error at once.
    pub async fn refresh(&self) -> Result<Token, Error> {
        let refresh = Wait::new(self.shared.clone(), Ask::Refresh, Budget::MAX);
        Ok(refresh.await?.token)
    }

    /// Tells the cache that the API answered 401 to a request that carried
    /// `token`: for clients beside the layer, such as a websocket or another HTTP
    /// client. It does what the layer does by itself: the token is renewed, and
    /// stays in use until another is there. Nothing, if it is no longer in use.
    pub fn report_rejected(&self, token: &Token) {
        self.shared.report_rejected(token);
    }

    /// Drops `token`, if it is the one in use: the next request starts a fetch
    /// and waits for it. In use or not, it is not sent again: a token service
    /// that hands it out has failed. The latest 16 are remembered.
    ///
    /// This is for tokens that are known to be dead or leaked: for one that you have as
    /// text, pass `Token::new(text, Duration::ZERO)?`. It concerns this process alone,
    /// and revokes nothing at Fiskil. For a 401 there is
    /// [`report_rejected`](Self::report_rejected), which renews without an outage.
    /// Whoever invalidates one token after the other within a second has them
    /// replaced once a second; requests fail in between.
    pub fn invalidate(&self, token: &Token) {
        self.shared.invalidate(token);
    }

    /// What the cache tells of itself, now.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The token for a request, if it may be sent without waiting.
    #[inline]
    pub(crate) fn bearer(&self, own: &mut Own) -> Option<Bearer> {
        // `or_else` would move it once more.
        match self.shared.fresh_own(own) {
            Some(bearer) => Some(bearer),
            None => self.find_bearer(own),
        }
    }

    /// The same, where the caller has no shard of its own, or an outdated one.
    fn find_bearer(&self, own: &mut Own) -> Option<Bearer> {
        match self.shared.fresh(own) {
            Some(bearer) => Some(bearer),
            None => Some(self.bearer_of(&self.usable()?)),
        }
    }

    /// This token, for a request.
    pub(crate) fn bearer_of(&self, usable: &Usable<Token>) -> Bearer {
        Bearer {
            header: usable.token.header_value().clone(),
            mark: self.mark(usable),
            renewal: usable.renewal,
        }
    }

    /// The token that may be sent without waiting: the slow path.
    pub(crate) fn usable(&self) -> Option<Usable<Token>> {
        self.shared.end_overdue();
        let step = self.shared.step(Ask::Request);
        self.shared.publish_limit();
        match step {
            Step::Send(usable) => Some(usable),
            _ => None,
        }
    }

    /// The token for a request that has waited and has this budget left. With none
    /// left it does not wait for the renewal of a suspect token.
    pub(crate) fn usable_within(&self, budget: Budget) -> Option<Usable<Token>> {
        self.usable().or_else(|| {
            let is_over = budget.is_over(self.shared.clock.now().mono);
            self.shared.in_use().filter(|_| is_over)
        })
    }

    /// Whether this is the header value of a token that was in use lately.
    pub(crate) fn is_recent(&self, value: &HeaderValue) -> bool {
        self.shared.fetcher.is_recent(value)
    }

    /// What a request remembers that carries this token.
    pub(crate) fn mark(&self, usable: &Usable<Token>) -> Mark {
        self.shared.mark(usable)
    }

    /// A request's wait for a token, within what is left of its budget.
    pub(crate) fn wait(&self, budget: Budget) -> Wait {
        Wait::new(self.shared.clone(), Ask::Request, budget)
    }
}
