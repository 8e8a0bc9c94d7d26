//! The handle on one pair of credentials.

use std::time::Duration;

use super::pairs::{PairId, PairStanding};
use super::scripts::Subject;
use super::shared::Shared;
use super::{Counts, Fault, Script, Step};
use crate::Credentials;

/// One of the pairs of credentials that a [`Sandbox`](super::Sandbox) accepts: see
/// [`Sandbox::add_pair`](super::Sandbox::add_pair).
///
/// It has counts of its own, and what it is told concerns this pair only. That comes
/// before what the sandbox is told for all. A clone is another handle on the same
/// pair.
///
/// ```
/// use fiskil_auth::sandbox::{Fault, Sandbox};
/// use http::StatusCode;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), fiskil_auth::Error> {
/// let sandbox = Sandbox::new();
/// let (healthy, limited) = (sandbox.add_pair(), sandbox.add_pair());
/// limited.fail_exchanges(Fault::Status(StatusCode::TOO_MANY_REQUESTS));
///
/// let layer = sandbox.layer_for(limited.credentials());
/// assert!(layer.tokens().token().await.is_err());
/// let layer = sandbox.layer_for(healthy.credentials());
/// layer.tokens().token().await?;
/// assert_eq!((limited.counts().issued, healthy.counts().issued), (0, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pair {
    shared: Shared,
    id: PairId,
}

impl Pair {
    pub(super) fn new(shared: Shared, id: PairId) -> Self {
        Self { shared, id }
    }

    /// Its id and secret.
    pub fn credentials(&self) -> Credentials {
        let state = self.shared.lock();
        state.pairs.get(self.id).credentials.clone()
    }

    /// What concerned this pair.
    pub fn counts(&self) -> Counts {
        self.shared.lock().pairs.get(self.id).counts
    }

    /// How long the tokens live that this pair gets from now on, instead of the
    /// sandbox's [lifetime](super::Sandbox::set_lifetime).
    pub fn set_lifetime(&self, lifetime: Duration) {
        let mut state = self.shared.lock();
        state.pairs.get_mut(self.id).lifetime = Some(lifetime);
    }

    /// Makes every exchange of this pair fail in this way until
    /// [`heal`](Self::heal).
    pub fn fail_exchanges(&self, fault: Fault) {
        let mut state = self.shared.lock();
        state.pairs.get_mut(self.id).faults.set_lasting(fault);
    }

    /// Makes the next `n` exchanges of this pair fail in this way, added to its queue
    /// as [`Sandbox::fail_next_exchanges`](super::Sandbox::fail_next_exchanges) does.
    pub fn fail_next_exchanges(&self, n: u32, fault: Fault) {
        let mut state = self.shared.lock();
        state.pairs.get_mut(self.id).faults.queue(n, fault);
    }

    /// Ends every fault of this pair, queued ones included. What the sandbox was
    /// told for all stays.
    pub fn heal(&self) {
        self.shared.lock().pairs.get_mut(self.id).faults.end();
    }

    /// Makes the exchanges of this pair follow a script, as
    /// [`Sandbox::script`](super::Sandbox::script) does with all.
    #[track_caller]
    pub fn script(&self, steps: impl IntoIterator<Item = impl Into<Step>>) -> Script {
        let steps = steps.into_iter().map(Into::into).collect();
        Script::start(self.shared.clone(), Subject::Pair(self.id), steps)
    }

    /// Revokes all the tokens that it got so far.
    pub fn revoke_tokens(&self) {
        self.shared.lock().revoke_tokens_of(self.id);
    }

    /// Refuses the pair from now on, as after it was deleted in the Console. Its
    /// tokens live on.
    pub fn revoke(&self) {
        let mut state = self.shared.lock();
        state.pairs.get_mut(self.id).standing = PairStanding::Revoked;
    }
}
