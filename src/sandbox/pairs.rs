//! The pairs of credentials that a sandbox knows, and what it was told for each.

use std::time::Duration;

use tokio::time::Instant;

use super::Counts;
use super::fault::Faults;
use super::random::random_text;
use crate::Credentials;

/// All of them, revoked ones included.
#[derive(Default)]
pub(super) struct Pairs {
    all: Vec<PairState>,
}

/// A pair of the table that handed it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PairId(usize);

pub(super) struct PairState {
    pub(super) credentials: Credentials,
    pub(super) standing: PairStanding,
    /// `None` is the sandbox's.
    pub(super) lifetime: Option<Duration>,
    pub(super) faults: Faults,
    pub(super) latest: Option<Latest>,
    pub(super) counts: Counts,
}

/// Who asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Without a pair at all.
    Nobody,
    /// With a pair that was never accepted.
    Stranger,
    Revoked(PairId),
    Accepted(PairId),
}

impl Asker {
    pub(super) fn pair(self) -> Option<PairId> {
        match self {
            Self::Nobody | Self::Stranger => None,
            Self::Revoked(pair) | Self::Accepted(pair) => Some(pair),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairStanding {
    Accepted,
    Revoked,
}

/// The token that a pair got last.
pub(super) struct Latest {
    pub(super) value: String,
    /// `None` is past what the clock can express.
    pub(super) expiry: Option<Instant>,
}

impl Pairs {
    /// Takes up these credentials. The same ones are the same pair, which is
    /// accepted again where it was revoked.
    pub(super) fn accept(&mut self, credentials: Credentials) -> PairId {
        let (id, secret) = (credentials.client_id(), credentials.expose_secret());
        if let Some(known) = self.find(id, secret) {
            self.get_mut(known).standing = PairStanding::Accepted;
            return known;
        }
        self.all.push(PairState {
            credentials,
            standing: PairStanding::Accepted,
            lifetime: None,
            faults: Faults::default(),
            latest: None,
            counts: Counts::default(),
        });
        PairId(self.all.len().saturating_sub(1))
    }

    /// Who presents this id and secret.
    pub(super) fn asker(&self, presented: Option<(String, String)>) -> Asker {
        let Some((id, secret)) = presented else {
            return Asker::Nobody;
        };
        match self.find(&id, &secret) {
            None => Asker::Stranger,
            Some(pair) => match self.get(pair).standing {
                PairStanding::Revoked => Asker::Revoked(pair),
                PairStanding::Accepted => Asker::Accepted(pair),
            },
        }
    }

    /// The pair with this id and this secret.
    fn find(&self, client_id: &str, client_secret: &str) -> Option<PairId> {
        let is_it = |pair: &PairState| {
            pair.credentials.client_id() == client_id
                && pair.credentials.expose_secret() == client_secret
        };
        self.all.iter().position(is_it).map(PairId)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the table hands the ids out, and nothing is taken from it"
    )]
    pub(super) fn get(&self, PairId(index): PairId) -> &PairState {
        &self.all[index]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the table hands the ids out, and nothing is taken from it"
    )]
    pub(super) fn get_mut(&mut self, PairId(index): PairId) -> &mut PairState {
        &mut self.all[index]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PairState> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut PairState> {
        self.all.iter_mut()
    }
}

/// A pair that nobody else has.
pub(super) fn generate_credentials() -> Credentials {
    Credentials::new(
        format!("sandbox_{}", random_text(16)),
        random_text(SECRET_LENGTH),
    )
}

const SECRET_LENGTH: usize = 48;
