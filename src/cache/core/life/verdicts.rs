//! What the API and the user say of a token, and what it makes of the life.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::current::{Charge, Suspicion};
use super::super::now::{Now, later};
use super::super::step::{Evidence, Failure, Fault, InFlight, Reason, Rejection, Suspect, Value};
use super::{Life, SECOND, count};

impl<T: Value, E: Failure, F: InFlight<Token = T>> Life<T, E, F> {
    /// The API rejected the token of `generation`.
    pub(in crate::cache) fn reject(&mut self, generation: u32, now: Now) -> Rejection {
        let is_current = self.generation == generation;
        let current = self.current.as_mut();
        let Some(current) = current.filter(|current| is_current && current.is_usable(now)) else {
            return Rejection::Stale;
        };
        if current.suspicion.is_some() {
            return Rejection::Known;
        }
        let (charge, delay) = match self.budget.allows(now.mono) {
            true => (Charge::WithinBudget, Duration::ZERO),
            false => (Charge::BeyondBudget, self.budget.delay()),
        };
        self.suspicions = self.suspicions.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let number = Suspect::new(self.suspicions);
        current.suspicion = Some(Suspicion::new(number, now.mono, charge, delay));
        current.suspicions = current.suspicions.saturating_add(1);
        if current.suspicions > 1 {
            return Rejection::Again;
        }
        count(&mut self.rejections);
        Rejection::First
    }

    /// The API accepted the token of `generation` from a request that was sent
    /// while it was `suspect`.
    pub(in crate::cache) fn clear(&mut self, generation: u32, suspect: Suspect) -> Evidence {
        let is_current = self.generation == generation;
        let current = self.current.as_mut().filter(|_| is_current);
        let Some(current) = current else {
            return Evidence::Stale;
        };
        match current
            .suspicion
            .take_if(|suspicion| suspicion.number == suspect)
        {
            None => Evidence::Stale,
            Some(_) if current.suspicions > 1 => Evidence::Again,
            Some(_) => Evidence::First,
        }
    }

    /// The user says that `token` is dead: if it is the one in use, it is dropped
    /// at once, whatever follows.
    pub(in crate::cache) fn invalidate(&mut self, token: &T) {
        if !self.is_invalidated(token) {
            if self.invalidated.len() >= MAX_INVALIDATED {
                self.invalidated.pop_front();
            }
            self.invalidated.push_back(token.clone());
        }
        let current = self
            .current
            .take_if(|current| current.token.is_same_value(token));
        if let Some(current) = current {
            if current.suspicions == 0 {
                count(&mut self.rejections);
            }
            // The first one is replaced at once.
            if current.reason == Reason::Invalidated {
                let until = later(current.claimed_at.mono, SECOND);
                self.spacing = Some((until, Fault::InvalidatedSoon));
            }
            self.dropped = Some(current.token);
        }
    }

    pub(super) fn is_invalidated(&self, token: &T) -> bool {
        self.invalidated
            .iter()
            .any(|other| other.is_same_value(token))
    }
}

/// By the time so many more have been invalidated, one that comes back has long
/// expired.
const MAX_INVALIDATED: usize = 16;
