//! A wait for a token: that of a request, a probe or a refresh.

#[cfg(all(test, in_repository, not(loom)))]
#[allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::core::{Ask, DEADLINE, MAX_LOSSES, Outcome, Step, Suspect, Usable, later};
use super::failure;
use super::flight::{Flight, Waiter};
use super::shared::Shared;
use crate::runtime::{self, Timer};
use crate::{Error, Token};

/// Waits for a token that may be sent. Holds nothing that others need.
///
/// Everything that needs a runtime happens in `poll`.
#[derive(Debug)]
pub(crate) struct Wait {
    cache: Arc<Shared>,
    ask: Ask,
    budget: Budget,
    restarts: u32,
    /// The number of the token that a probe has found suspect, and which suspicion
    /// that was.
    suspicion: Option<(u32, Suspect)>,
    stage: Stage,
}

/// How long it may take in all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// So long from the first poll on.
    Whole(Duration),
    /// Until this instant, as it has been polled.
    Until(Instant),
}

/// What it waits for at the moment.
#[derive(Debug)]
enum Stage {
    /// Nothing: it is about to ask the cache.
    Asking,
    /// The end of a flight, or the timer's.
    Joined {
        waiter: Waiter,
        timer: Timer,
        _ticket: Ticket,
    },
    /// The timer's end.
    Paused { timer: Timer, _ticket: Ticket },
}

/// What ended a stage.
enum Woken {
    /// There was nothing to wait for.
    AtOnce,
    Ended(Outcome<Error>),
    TimeIsUp,
}

impl Wait {
    pub(super) fn new(cache: Arc<Shared>, ask: Ask, budget: Budget) -> Self {
        Self {
            cache,
            ask,
            budget,
            restarts: 0,
            suspicion: None,
            stage: Stage::Asking,
        }
    }

    /// What is left now, for further waits of the same request.
    pub(crate) fn budget_left(&self) -> Budget {
        let now = self.cache.clock.now().mono;
        Budget::Whole(self.budget.end(now).saturating_duration_since(now))
    }

    /// What was asked for, now that a flight ended with `error`. `None` where
    /// the wait goes on.
    fn after_failure(&mut self, error: Error) -> Option<Result<Usable<Token>, Error>> {
        match self.cache.step(self.ask) {
            // There is a token all the same.
            Step::Send(usable) => Some(Ok(usable)),
            Step::Wait { .. } => None,
            // Nobody waits for a second flight.
            Step::Join { .. } | Step::Claim | Step::Fail(_) => Some(self.give_up(error)),
        }
    }

    /// A token that was cleared while a probe waited is good enough: where a route
    /// keeps denying requests, there is always another suspicion.
    fn note_suspicion(&mut self) {
        let (generation, suspect) = self.cache.standing();
        match self.suspicion {
            Some((of, before)) if of == generation && suspect != Some(before) => {
                self.ask = Ask::Request;
            }
            _ => self.suspicion = suspect.map(|suspect| (generation, suspect)),
        }
    }

    /// What was asked for, where waiting any longer makes no sense. A request goes
    /// out with the token in use, suspect or not.
    fn give_up(&mut self, error: Error) -> Result<Usable<Token>, Error> {
        self.budget = Budget::Until(self.cache.clock.now().mono);
        match self.ask {
            Ask::Request => self.cache.in_use().ok_or(error),
            Ask::Probe | Ask::Refresh => Err(error),
        }
    }

    /// What to wait for next.
    fn next_stage(
        &self,
        step: Step<Token, Error, Arc<Flight>>,
        budget: Instant,
    ) -> Result<Stage, Error> {
        let (flight, until) = match step {
            Step::Join { flight, until } => (flight, until),
            Step::Wait { until } => {
                return Ok(Stage::Paused {
                    timer: Timer::at(until.min(budget))?,
                    _ticket: Ticket::new(self.cache.clone()),
                });
            }
            _ => {
                // Before the claim: one that can't run would hold up the others.
                Timer::at(budget)?;
                let runtime = runtime::current()?;
                if let Some(flight) = self.cache.claim(self.ask) {
                    self.cache.launch(&flight, &runtime);
                }
                // The next step joins this flight, or that of a request that was faster.
                return Ok(Stage::Asking);
            }
        };
        Ok(Stage::Joined {
            waiter: Waiter::new(flight),
            timer: Timer::at(until.min(budget))?,
            _ticket: Ticket::new(self.cache.clone()),
        })
    }
}

impl Future for Wait {
    type Output = Result<Usable<Token>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let now = this.cache.clock.now().mono;
        let budget = this.budget.end(now);
        this.budget = Budget::Until(budget);
        loop {
            let woken = ready!(this.stage.poll(cx));
            this.stage = Stage::Asking;
            this.cache.end_overdue();
            if this.ask == Ask::Probe {
                this.note_suspicion();
            }
            match woken {
                Woken::AtOnce => {}
                // A refresh has what it asked for: now any token will do.
                Woken::Ended(Outcome::Token) if this.ask == Ask::Refresh => this.ask = Ask::Request,
                Woken::Ended(Outcome::Token) => {}
                Woken::Ended(Outcome::Failed(error)) if this.ask == Ask::Refresh => {
                    return Poll::Ready(Err(error));
                }
                Woken::Ended(Outcome::Failed(error)) => {
                    if let Some(result) = this.after_failure(error) {
                        return Poll::Ready(result);
                    }
                }
                Woken::Ended(Outcome::Lost) if this.restarts < MAX_LOSSES => {
                    this.restarts = this.restarts.saturating_add(1);
                }
                Woken::Ended(Outcome::Lost) => {
                    return Poll::Ready(this.give_up(runtime::shut_down()));
                }
                Woken::TimeIsUp => {}
            }
            let step = this.cache.step(this.ask);
            this.cache.publish_limit();
            match step {
                Step::Send(usable) => return Poll::Ready(Ok(usable)),
                Step::Fail(error) => return Poll::Ready(Err(error)),
                _ if this.cache.clock.now().mono >= budget => {
                    return Poll::Ready(this.give_up(failure::overdue()));
                }
                step => this.stage = this.next_stage(step, budget)?,
            }
        }
    }
}

impl Budget {
    /// Nobody waits for longer than a fetch may take.
    pub(crate) const MAX: Self = Self::Whole(DEADLINE);

    pub(super) fn is_over(self, now: Instant) -> bool {
        self.end(now) <= now
    }

    fn end(self, now: Instant) -> Instant {
        match self {
            Self::Whole(span) => later(now, span),
            Self::Until(at) => at,
        }
    }
}

impl Stage {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Woken> {
        let timer = match self {
            Self::Asking => return Poll::Ready(Woken::AtOnce),
            Self::Joined { waiter, timer, .. } => {
                if let Poll::Ready(outcome) = waiter.poll(cx) {
                    return Poll::Ready(Woken::Ended(outcome));
                }
                timer
            }
            Self::Paused { timer, .. } => timer,
        };
        Poll::Ready(match ready!(timer.poll(cx)) {
            Ok(()) => Woken::TimeIsUp,
            // Whatever it waits for may go on, but this timer won't.
            Err(_) => Woken::Ended(Outcome::Lost),
        })
    }
}

/// Counts one wait.
#[derive(Debug)]
struct Ticket {
    cache: Arc<Shared>,
}

impl Ticket {
    fn new(cache: Arc<Shared>) -> Self {
        cache.waiting.fetch_add(1, Ordering::Relaxed);
        Self { cache }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cache.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
