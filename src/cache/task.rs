//! The task that runs one fetch, and what its end of any kind leads to.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::core::{Ask, Ending, InFlight};
use super::failure;
use super::flight::Flight;
use super::report::{self, Report};
use super::shared::Shared;
use crate::runtime::{self, Timer};
use crate::{Error, Token, panics};

impl Shared {
    /// Starts a renewal, if one is due and this is a place where it can run.
    pub(super) fn renew(&self) {
        // Look before claiming: a claim that can't run would hold up others.
        let (Ok(runtime), Ok(_)) = (runtime::current(), Timer::at(self.clock.now().mono)) else {
            return;
        };
        if let Some(flight) = self.claim(Ask::Request) {
            self.launch(&flight, &runtime);
        }
    }

    /// Runs a claimed fetch as a task of its own, so that no request that goes
    /// away takes it along. No lock may be held: a runtime that is shutting down
    /// drops the task at once, which takes the lock.
    pub(super) fn launch(&self, flight: &Arc<Flight>, runtime: &Handle) {
        let span = report::span(flight.claim.reason);
        let guard = Guard {
            cache: self.this(),
            flight: flight.clone(),
        };
        let (fetcher, clock) = (self.fetcher.clone(), self.clock.clone());
        let task = async move {
            let flight = &guard.flight;
            let run = panics::catch_future(async {
                let run = fetcher.run(&flight.claim, &clock);
                timeout_at(flight.deadline().into(), run).await
            });
            let ending = match run.await {
                Some(Ok(Ok((token, called_at)))) => Ending::Token(token, called_at),
                Some(Ok(Err(error))) => Ending::Failed(error),
                Some(Err(_)) => Ending::Failed(failure::overdue()),
                None => Ending::Failed(failure::panicked()),
            };
            guard.end(ending);
        };
        let task = runtime.spawn(task.instrument(span.clone()));
        flight.set_task(task.abort_handle(), span);
    }
}

/// Ends the fetch in any case, also where its task is dropped.
struct Guard {
    cache: Weak<Shared>,
    flight: Arc<Flight>,
}

impl Guard {
    fn end(&self, ending: Ending<Token, Error>) {
        // Without a cache there is nobody to tell.
        let Some(cache) = self.cache.upgrade() else {
            return;
        };
        let token = match &ending {
            Ending::Token(token, _) => Some((token.lifetime(), token.source())),
            Ending::Failed(_) | Ending::Lost => None,
        };
        let outcome = cache.complete(&self.flight, ending);
        let report = Report {
            reason: self.flight.claim.reason,
            took: cache.clock.now().since(self.flight.claimed_at()),
            lifetime: token.map(|(lifetime, _)| lifetime),
            source: token.map(|(_, source)| source),
            generation: cache.generation(),
        };
        // Within the fetch's span, as the whole task is, its drop included.
        report.emit(outcome.as_ref());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.flight.outcome().is_none() {
            self.end(Ending::Lost);
        }
    }
}
