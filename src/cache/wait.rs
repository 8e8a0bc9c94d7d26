//! A request's wait for a token.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::DEADLINE;
use super::cached::CachedToken;
use super::failure;
use super::flight::{Flight, Landing};
use super::held::later;
use super::shared::{Shared, Step};
use super::sync::OwnedNotified;
use crate::Error;
use crate::runtime::{self, Timer};

pin_project! {
    /// Waits for a token that may be sent. Holds nothing that others need.
    ///
    /// Everything that needs a runtime happens in `poll`.
    #[derive(Debug)]
    pub(crate) struct Wait {
        cache: Arc<Shared>,
        patience: Duration,
        // Set by the first poll.
        give_up: Option<Instant>,
        // The token in use is not good enough: an exchange must end first.
        forced: bool,
        restarts: u8,
        #[pin]
        joined: Option<Joined>,
    }
}

pin_project! {
    /// An exchange that is waited for.
    #[derive(Debug)]
    struct Joined {
        flight: Arc<Flight>,
        timer: Timer,
        ticket: Ticket,
        #[pin]
        landing: OwnedNotified,
    }
}

impl Wait {
    /// Nobody waits for longer than an exchange may take.
    pub(crate) const PATIENCE: Duration = DEADLINE;

    /// Waits for a token that may be sent, for as long as `patience`.
    pub(super) fn new(cache: Arc<Shared>, patience: Duration) -> Self {
        Self {
            cache,
            patience,
            give_up: None,
            forced: false,
            restarts: 0,
            joined: None,
        }
    }

    /// Waits for the end of an exchange, also where there is a good token.
    pub(super) fn renewed(cache: Arc<Shared>) -> Self {
        Self {
            forced: true,
            ..Self::new(cache, Self::PATIENCE)
        }
    }

    /// What is left of its patience.
    pub(crate) fn patience_left(&self) -> Duration {
        let now = self.cache.clock.now().mono;
        self.give_up
            .map_or(self.patience, |at| at.saturating_duration_since(now))
    }
}

impl Future for Wait {
    type Output = Result<Arc<CachedToken>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let cache: &Arc<Shared> = this.cache;
        let give_up = *this
            .give_up
            .get_or_insert_with(|| later(cache.clock.now().mono, *this.patience));
        // What the exchange that was waited for failed with. It is the answer,
        // unless there is a token all the same: nobody waits for a second one.
        let mut failure = None;
        loop {
            if let Some(joined) = this.joined.as_mut().as_pin_mut() {
                let landing = ready!(joined.poll(cx, cache, *this.forced));
                this.joined.set(None);
                match landing? {
                    Landing::Token => {
                        *this.forced = false;
                        if let Some(token) = cache.fresh() {
                            return Poll::Ready(Ok(token));
                        }
                    }
                    Landing::Failed(error) if *this.forced => return Poll::Ready(Err(error)),
                    Landing::Failed(error) => failure = Some(error),
                    Landing::Lost if *this.restarts < MAX_RESTARTS => {
                        *this.restarts = this.restarts.saturating_add(1);
                    }
                    Landing::Lost => return Poll::Ready(Err(runtime::shut_down())),
                }
            }
            let flight = match (cache.decide(*this.forced), failure.take()) {
                (Step::Send(token), _) => return Poll::Ready(Ok(token)),
                (Step::SendAndRenew(token), _) => {
                    token.renew();
                    return Poll::Ready(Ok(token));
                }
                (_, Some(error)) | (Step::Fail(error), None) => return Poll::Ready(Err(error)),
                (Step::Join(flight), None) => Some(flight),
                (Step::Claim, None) => None,
            };
            if let Some(joined) = Joined::new(cache, flight, give_up, *this.forced)? {
                this.joined.set(Some(joined));
            }
        }
    }
}

impl Joined {
    /// Joins `flight`, or one that it claims. `None` where another request
    /// claims one at this moment.
    fn new(
        cache: &Arc<Shared>,
        flight: Option<Arc<Flight>>,
        give_up: Instant,
        forced: bool,
    ) -> Result<Option<Self>, Error> {
        let joined = flight.as_ref().map(|flight| flight.deadline());
        // Before any claim: one that can't run would hold up the others.
        let timer = Timer::at(joined.map_or(give_up, |at| at.min(give_up)))?;
        let flight = match flight {
            Some(flight) => flight,
            None => {
                let runtime = runtime::current()?;
                let Some(flight) = cache.claim(forced) else {
                    return Ok(None);
                };
                cache.launch(&flight, &runtime);
                flight
            }
        };
        Ok(Some(Self {
            landing: flight.landing().notified_owned(),
            ticket: Ticket::new(cache.clone()),
            flight,
            timer,
        }))
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        cache: &Shared,
        forced: bool,
    ) -> Poll<Result<Landing, Error>> {
        let this = self.project();
        // Registers the waker, so that an end after the look below wakes it.
        let _ = this.landing.poll(cx);
        if let Some(landing) = this.flight.landed() {
            return Poll::Ready(Ok(landing.clone()));
        }
        Poll::Ready(match ready!(this.timer.poll(cx)) {
            // The flight may go on, but this timer won't.
            Err(_) => Ok(Landing::Lost),
            Ok(()) => {
                // Ends the exchange if it is overdue: its own runtime, which
                // should have done so, may be stalled.
                cache.decide(forced);
                this.flight.landed().cloned().ok_or_else(failure::overdue)
            }
        })
    }
}

/// Counts one request as waiting.
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

/// A runtime that shuts down kills every new exchange, too.
const MAX_RESTARTS: u8 = 3;
