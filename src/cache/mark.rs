//! What a request gets of the token, and what it remembers of it: enough to tell
//! the cache what became of it.

use http::HeaderValue;

use super::core::{Renewal, Resend, Suspect};
use super::registry::{self, CacheId};

/// The token as one request gets it.
#[derive(Debug)]
pub(crate) struct Bearer {
    pub(crate) header: HeaderValue,
    pub(crate) mark: Mark,
    pub(crate) renewal: Renewal,
}

/// Which token of which cache a request carries.
///
/// It keeps nothing alive: what is reported of a token does nothing once the last
/// handle on its cache is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    cache: CacheId,
    generation: u32,
    suspect: Option<Suspect>,
}

impl Mark {
    pub(super) fn new(cache: CacheId, generation: u32, suspect: Option<Suspect>) -> Self {
        Self {
            cache,
            generation,
            suspect,
        }
    }

    /// Whether the token was suspect when the request was sent: then a success
    /// is evidence.
    #[inline]
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    /// The API rejected the token. Returns which one would go out now.
    pub(crate) fn reject(&self) -> Resend {
        registry::find(self.cache).map_or(Resend::Same, |cache| cache.reject(self.generation))
    }

    /// The API accepted the token.
    pub(crate) fn accept(&self) {
        if let Some(suspect) = self.suspect {
            if let Some(cache) = registry::find(self.cache) {
                cache.clear(self.generation, suspect);
            }
        }
    }

    /// Starts the renewal that is due, if nobody else does.
    pub(crate) fn renew(&self) {
        if let Some(cache) = registry::find(self.cache) {
            cache.renew();
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }
}
