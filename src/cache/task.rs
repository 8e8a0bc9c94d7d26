//! The task that runs one exchange, and what its end of any kind leads to.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::clock::Now;
use super::exchange::Tokens;
use super::failure;
use super::flight::Flight;
use super::report::Report;
use super::shared::Shared;
use crate::runtime::{self, Timer, catch_panic};
use crate::{Error, Token};

impl Shared {
    /// Starts a renewal, if one is due and this is a place where it can run.
    pub(super) fn renew(&self) {
        let now = self.clock.now().mono;
        // Look before claiming: a claim that can't run would hold up others.
        if let (Ok(runtime), Ok(_)) = (runtime::current(), Timer::at(now))
            && let Some(flight) = self.claim(false)
        {
            self.launch(&flight, &runtime);
        }
    }

    /// Runs a claimed exchange as a task of its own, so that no request that
    /// goes away takes it along. No lock may be held: a runtime that is
    /// shutting down drops the task at once, which takes the lock.
    pub(super) fn launch(&self, flight: &Arc<Flight>, runtime: &Handle) {
        let guard = Guard {
            cache: self.this(),
            flight: flight.clone(),
        };
        let (exchange, clock) = (self.exchange.clone(), self.clock.clone());
        let task = runtime.spawn(async move {
            let flight = &guard.flight;
            let run = catch_panic(async {
                let tokens = Tokens {
                    rejected: flight.rejected().cloned(),
                    held: flight.held().cloned(),
                };
                let run = exchange.run(tokens, &clock);
                timeout_at(flight.deadline().into(), run).await
            });
            let outcome = match run.await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) => Err(failure::overdue()),
                None => Err(failure::panicked()),
            };
            guard.end(Some(outcome));
        });
        flight.set_task(task.abort_handle());
    }
}

/// Ends the exchange in any case, also where its task is dropped.
struct Guard {
    cache: Weak<Shared>,
    flight: Arc<Flight>,
}

impl Guard {
    /// Ends the exchange, with `None` where it did not end by itself.
    fn end(&self, outcome: Option<Result<(Token, Now), Error>>) {
        // Without a cache there is nobody to tell.
        let Some(cache) = self.cache.upgrade() else {
            return;
        };
        let lifetime = match &outcome {
            Some(Ok((token, _))) => Some(token.lifetime()),
            _ => None,
        };
        let landing = cache.end(&self.flight, outcome);
        let took = cache.clock.now().since(self.flight.begun());
        Report {
            lifetime,
            ..Report::new(took, cache.status().generation)
        }
        .emit(landing.as_ref());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.flight.landed().is_none() {
            self.end(None);
        }
    }
}
