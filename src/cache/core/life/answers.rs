//! What a token's life answers: nothing here changes it.

use std::time::{Duration, Instant};

use super::super::current::{Current, SuspectRenewal, Suspicion};
use super::super::now::Now;
use super::super::step::{
    Ask, Failure, Fault, InFlight, Reason, Renewal, Resend, Snapshot, Step, Suspect, Usable, Value,
};
use super::Life;

impl<T: Value, E: Failure, F: InFlight<Token = T>> Life<T, E, F> {
    /// What whoever asks does at `now`. An overdue flight must have been
    /// [ended](Self::end_overdue) before.
    pub(in crate::cache) fn step(&self, ask: Ask, now: Now) -> Step<T, E, F> {
        match self.usable(now) {
            Some(current) if ask != Ask::Refresh => {
                let step = current.suspicion.as_ref();
                let step = step.and_then(|suspicion| self.suspect_step(suspicion, ask, now));
                step.unwrap_or_else(|| Step::Send(self.send(current, now)))
            }
            _ => match (&self.flight, self.hold(now)) {
                (Some(flight), _) => Step::Join {
                    flight: flight.clone(),
                    until: flight.deadline(),
                },
                (None, Some(error)) => Step::Fail(error),
                (None, None) => Step::Claim,
            },
        }
    }

    /// The token in use, also where requests wait for its renewal.
    pub(in crate::cache) fn in_use(&self, now: Now) -> Option<Usable<T>> {
        self.usable(now).map(|current| self.send(current, now))
    }

    /// What to do other than to send the suspect token.
    fn suspect_step(&self, suspicion: &Suspicion, ask: Ask, now: Now) -> Option<Step<T, E, F>> {
        let hold = self.hold(now);
        let until = suspicion.wait_until(ask, self.flight.as_ref());
        if suspicion.is_awaited(ask, now.mono) {
            match &self.flight {
                Some(flight) if now.mono < until => {
                    return Some(Step::Join {
                        flight: flight.clone(),
                        until: until.min(flight.deadline()),
                    });
                }
                None if hold.is_none() => return Some(Step::Claim),
                _ => {}
            }
        }
        // Whoever probes is told what requests will see, as soon as they have
        // had the time to show that the token is good after all.
        let error = self.suspect_error(suspicion).or(hold);
        let error = error.filter(|_| ask == Ask::Probe)?;
        Some(match &self.flight {
            _ if until <= now.mono => Step::Fail(error),
            Some(flight) => Step::Join {
                flight: flight.clone(),
                until: until.min(flight.deadline()),
            },
            None => Step::Wait { until },
        })
    }

    fn suspect_error(&self, suspicion: &Suspicion) -> Option<E> {
        match suspicion.renewal {
            SuspectRenewal::Open => None,
            SuspectRenewal::Failed => self.last_error.clone(),
            SuspectRenewal::SameAgain => {
                Some(E::from(Fault::RejectedAgain).held_until(suspicion.renew_from))
            }
        }
    }

    /// Until when the token may be sent without asking, by the monotonic clock, if
    /// nothing happens.
    pub(in crate::cache) fn fresh_until(&self, now: Now) -> Option<Instant> {
        let renewable_from = match &self.flight {
            Some(flight) => Some(flight.deadline()),
            None => self.background_held_until(now),
        };
        self.usable(now)?.fresh_until(now, renewable_from)
    }

    /// Which token a request would carry that was sent with the one of
    /// `generation`, and is sent again.
    pub(in crate::cache) fn resend(&self, generation: u32, now: Now) -> Resend {
        match self.step(Ask::Request, now) {
            Step::Send(_) if generation == self.generation => Resend::Same,
            _ => Resend::Another,
        }
    }

    /// The number of `token`, if it is the one in use.
    pub(in crate::cache) fn generation_of(&self, token: &T) -> Option<u32> {
        let current = self.current.as_ref()?;
        (current.token.is_same_value(token)).then_some(self.generation)
    }

    /// The token last received, expired or not, unless it was invalidated.
    pub(in crate::cache) fn token(&self) -> Option<&T> {
        self.current.as_ref().map(|current| &current.token)
    }

    /// The suspicion that the token last received is under, expired or not.
    pub(in crate::cache) fn suspect(&self) -> Option<Suspect> {
        let suspicion = self.current.as_ref()?.suspicion?;
        Some(suspicion.number)
    }

    /// The number of the value last received; 0 before the first.
    pub(in crate::cache) fn generation(&self) -> u32 {
        self.generation
    }

    pub(in crate::cache) fn flight(&self) -> Option<&F> {
        self.flight.as_ref()
    }

    /// The age of the token in use.
    pub(in crate::cache) fn age(&self, now: Now) -> Option<Duration> {
        self.current.as_ref().map(|current| current.age(now))
    }

    pub(in crate::cache) fn snapshot(&self, now: Now) -> Snapshot<E> {
        let usable = self.usable(now);
        let suspicion = usable.and_then(|current| current.suspicion.as_ref());
        let suspect_error = suspicion.and_then(|suspicion| self.suspect_error(suspicion));
        Snapshot {
            generation: self.generation,
            lifetime: usable.map(|current| current.token.lifetime()),
            refresh_in: usable.map(|current| self.refresh_in(current, now)),
            expires_in: usable.map(|current| current.expires_in(now)),
            suspect: suspicion.map(|suspicion| suspicion.number),
            last_error: suspect_error.or_else(|| self.last_error.clone()),
            fetches: self.fetches,
            failures: self.failures,
            rejections: self.rejections,
        }
    }

    /// The time until a request may start the renewal of the token in use.
    fn refresh_in(&self, current: &Current<T>, now: Now) -> Duration {
        let held_until = self.background_held_until(now).unwrap_or(now.mono);
        let held = held_until.saturating_duration_since(now.mono);
        current.refresh_in(now).max(held)
    }

    /// The token in use, unless it has expired.
    pub(super) fn usable(&self, now: Now) -> Option<&Current<T>> {
        self.current
            .as_ref()
            .filter(|current| current.is_usable(now))
    }

    fn send(&self, current: &Current<T>, now: Now) -> Usable<T> {
        let free = self.flight.is_none() && self.background_held_until(now).is_none();
        Usable {
            token: current.token.clone(),
            generation: self.generation,
            suspect: current.suspicion.map(|suspicion| suspicion.number),
            renewal: match free && current.is_due(now) {
                true => Renewal::Due,
                false => Renewal::NotDue,
            },
        }
    }

    /// Why no fetch may start now, also where somebody waits for it.
    pub(super) fn hold(&self, now: Now) -> Option<E> {
        if self.backoff.until(now.mono).is_some() {
            return self.last_error.clone();
        }
        let (until, fault) = self.spacing.filter(|(until, _)| now.mono < *until)?;
        Some(E::from(fault).held_until(until))
    }

    /// Until when no fetch may start that nobody waits for.
    fn background_held_until(&self, now: Now) -> Option<Instant> {
        let backoff = self.backoff.until(now.mono);
        let spacing = self.spacing.map(|(until, _)| until);
        let holds = [backoff, spacing, self.background_from];
        holds
            .into_iter()
            .flatten()
            .max()
            .filter(|until| now.mono < *until)
    }

    pub(super) fn reason(&self, ask: Ask, now: Now) -> Reason {
        match (&self.current, self.usable(now)) {
            _ if ask == Ask::Refresh => Reason::Forced,
            (None, _) if self.dropped.is_some() => Reason::Invalidated,
            (None, _) => Reason::First,
            (Some(_), None) => Reason::Expired,
            (_, Some(current)) => match current.suspicion {
                Some(suspicion) if suspicion.renew_from <= now.mono => Reason::Rejected,
                _ => Reason::Refresh,
            },
        }
    }

    /// The token that must not be handed out again.
    pub(super) fn rejected(&self) -> Option<&T> {
        let suspect = self
            .current
            .as_ref()
            .filter(|current| current.suspicion.is_some());
        // The suspect one is told of all the same: as the one that is held.
        let dropped = self.dropped.as_ref();
        dropped.or(suspect.map(|current| &current.token))
    }
}
