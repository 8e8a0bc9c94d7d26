//! The tokens that a sandbox issued: whose they are, and whether they live.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::pairs::PairId;
use super::random::random_text;

/// All of them, dead ones included: a request that carries one has a pair.
#[derive(Default)]
pub(super) struct Tokens {
    issued: HashMap<String, Issued>,
}

struct Issued {
    pair: PairId,
    life: Life,
}

enum Life {
    Until(Instant),
    /// Past what the clock can express.
    Endless,
    Revoked,
}

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Live,
    Expired,
    Revoked,
}

impl Tokens {
    /// A new token, and when it expires.
    pub(super) fn issue(
        &mut self,
        pair: PairId,
        lifetime: Duration,
        now: Instant,
    ) -> (String, Option<Instant>) {
        let value = random_text(TOKEN_LENGTH);
        let expiry = now.checked_add(lifetime);
        let life = expiry.map_or(Life::Endless, Life::Until);
        self.issued.insert(value.clone(), Issued { pair, life });
        (value, expiry)
    }

    pub(super) fn revoke_all(&mut self) {
        for token in self.issued.values_mut() {
            token.life = Life::Revoked;
        }
    }

    pub(super) fn revoke_those_of(&mut self, pair: PairId) {
        for token in self.issued.values_mut().filter(|token| token.pair == pair) {
            token.life = Life::Revoked;
        }
    }

    /// Whose token this is, and what it is worth. `None` for one that was not
    /// issued here.
    pub(super) fn look_up(&self, token: &str, now: Instant) -> Option<(PairId, Standing)> {
        let token = self.issued.get(token)?;
        let standing = match token.life {
            Life::Revoked => Standing::Revoked,
            Life::Until(expiry) if expiry <= now => Standing::Expired,
            Life::Until(_) | Life::Endless => Standing::Live,
        };
        Some((token.pair, standing))
    }
}

/// About as long as the real ones.
const TOKEN_LENGTH: usize = 350;
