//! A process's turn to exchange: what becomes of the outcome, for the fleet.

use std::time::Duration;

use tokio::time::Instant;

use super::keys::Keys;
use super::protocol::{HOLD_MEMORY, Lock, StoreTime, Written};
use super::refusal::{self, Refusal};
use super::store::Session;
use super::{Sharing, bounded, entry};
use crate::cache::wait_after;
use crate::{Error, Token};

/// The time in which this process holds the lock.
pub(super) struct Turn<'a> {
    pub(super) sharing: &'a Sharing,
    pub(super) keys: &'a Keys,
    pub(super) lock: &'a Lock,
    pub(super) granted: Granted,
    pub(super) session: &'a mut dyn Session,
}

/// How the turn began.
pub(super) struct Granted {
    pub(super) at: Clocks,
    /// The entry of the failure before, empty without one.
    pub(super) before: Vec<u8>,
    /// What is left for the store to take the outcome.
    pub(super) patience: Duration,
}

/// The same instant by the store's clock and by this process's.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    pub(super) store: StoreTime,
    pub(super) own: Instant,
}

impl Clocks {
    fn store_at(self, at: Instant) -> StoreTime {
        self.store.after(at.saturating_duration_since(self.own))
    }
}

impl Turn<'_> {
    /// Stores the token for the fleet, if it lives long enough.
    pub(super) async fn publish(&mut self, token: &Token, started: Instant) {
        let clocks = self.granted.at;
        let left = token.lifetime().saturating_sub(started.elapsed());
        let sealed = if left < MIN_SHARED {
            let expires = clocks.store_at(Instant::now()).after(BRIEF_MEMORY);
            let entry = entry::seal_too_brief(self.keys, expires);
            entry.map(|entry| (entry, expires, None))
        } else {
            let expires = clocks.store_at(started).after(token.lifetime());
            let entry = entry::seal(self.keys, token, expires);
            entry.map(|(entry, id)| (entry, expires, Some(id)))
        };
        let Some((entry, expires, id)) = sealed else {
            return;
        };
        let names = &self.keys.names;
        let publishing = self.session.publish(names, self.lock, &entry, expires);
        match bounded(self.granted.patience, publishing).await {
            Ok(Written::Done) => {
                if let Some(id) = id {
                    self.sharing.known.took(token, id);
                }
            }
            Ok(Written::NotOurs) => {}
            Err(error) => self.sharing.health.failed(&error),
        }
    }

    /// Tells the fleet of a failure that concerns it. Returns the error, with
    /// the fleet's hold on it.
    pub(super) async fn fail(&mut self, error: Error) -> Error {
        let before = refusal::open(self.keys, &self.granted.before);
        let before = before.map_or(0, |refusal| refusal.failures);
        let steps = usize::try_from(before).unwrap_or(usize::MAX);
        let asked = error.retry_after().unwrap_or_default();
        let hold = wait_after(steps, asked, fastrand::f64());
        let until = self.granted.at.store_at(Instant::now()).after(hold);
        let refusal = Refusal {
            error,
            hold,
            failures: before.saturating_add(1),
        };
        let entry = match refusal::is_of_the_service(&refusal.error) {
            true => refusal::seal(self.keys, &refusal, until),
            false => None,
        };
        let entry = entry.unwrap_or_default();
        let (names, forgotten) = (&self.keys.names, until.after(HOLD_MEMORY));
        let failing = self.session.fail(names, self.lock, &entry, forgotten);
        match bounded(self.granted.patience, failing).await {
            Ok(Written::Done) if !entry.is_empty() => refusal.error.with_exact_retry_after(hold),
            Ok(_) => refusal.error,
            Err(failed) => {
                self.sharing.health.failed(&failed);
                refusal.error
            }
        }
    }
}

/// Tokens with less left are not shared: processes would wait for one another
/// and get next to nothing.
const MIN_SHARED: Duration = Duration::from_secs(10);

/// For so long everybody exchanges alone, then one looks whether tokens live
/// longer by now.
const BRIEF_MEMORY: Duration = Duration::from_secs(60);
