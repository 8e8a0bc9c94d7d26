//! What a process remembers of the tokens that it has seen.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys::Keys;
use super::protocol::{Id, Renewal, Tag};
use crate::{Token, TokenRequest};

/// Shared by all clones of a layer.
#[derive(Default)]
pub(super) struct Known {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The tokens that were rejected or replaced, the latest ones: never to be
    /// taken again.
    rejected: VecDeque<Rejected>,
    /// The token last taken from the store or published there, as which id.
    last: Option<(Token, Id)>,
}

struct Rejected {
    token: Token,
    renewal: Renewal,
}

/// What is known, as a fetch asks with it.
pub(super) struct Seen {
    pub(super) held: Option<(Tag, Option<Id>)>,
    pub(super) rejected: Vec<Tag>,
    pub(super) renewal: Renewal,
}

impl Known {
    /// Notes the token that the request says was rejected.
    pub(super) fn note(&self, request: &TokenRequest) {
        if let Some(token) = &request.rejected {
            self.lock().reject(token);
        }
    }

    /// The asker has another token than the one that it held, which is done with:
    /// a rejection of that may have come when this fetch was under way already.
    pub(super) fn replaced(&self, request: &TokenRequest, by: &Token) {
        let held = request.held.as_ref();
        if let Some(held) = held.filter(|held| !held.is_same_value(by)) {
            self.lock().reject(held);
        }
    }

    pub(super) fn seen(&self, keys: &Keys, request: &TokenRequest) -> Seen {
        let mut state = self.lock();
        let held = request.held.as_ref();
        let last = state.last.as_ref();
        let id = held.and_then(|held| {
            last.filter(|(token, _)| token.is_same_value(held))
                .map(|(_, id)| *id)
        });
        let held_tag = held.map(|held| (keys.tag(held), id));
        let rejected = state.rejected.iter();
        let rejected = rejected.map(|other| keys.tag(&other.token)).collect();
        // One that was invalidated is held no more, and its replacement is due.
        let renewal = match (held, &request.rejected) {
            (Some(held), Some(token)) if held.is_same_value(token) => state
                .find(token)
                .map_or(Renewal::Rejected, |rejected| rejected.renewal),
            _ => Renewal::Due,
        };
        Seen {
            held: held_tag,
            rejected,
            renewal,
        }
    }

    /// The renewal of a rejected token was put off: if it is asked for again,
    /// nothing has cleared the token meanwhile.
    pub(super) fn put_off(&self, request: &TokenRequest) {
        let mut state = self.lock();
        let token = request.rejected.as_ref();
        if let Some(rejected) = token.and_then(|token| state.find(token)) {
            rejected.renewal = Renewal::RejectedStill;
        }
    }

    pub(super) fn took(&self, token: &Token, id: Id) {
        self.lock().last = Some((token.clone(), id));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reject(&mut self, token: &Token) {
        if self.find(token).is_some() {
            return;
        }
        if self.rejected.len() >= MAX_REJECTED {
            self.rejected.pop_front();
        }
        self.rejected.push_back(Rejected {
            token: token.clone(),
            renewal: Renewal::Rejected,
        });
    }

    fn find(&mut self, token: &Token) -> Option<&mut Rejected> {
        self.rejected
            .iter_mut()
            .find(|other| other.token.is_same_value(token))
    }
}

/// By the time so many more have been rejected, the first has long expired.
const MAX_REJECTED: usize = 16;
