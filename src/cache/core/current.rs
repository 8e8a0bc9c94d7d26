//! The token in use: its ages, when it is due and done, and what the API thinks
//! of it.

use std::time::{Duration, Instant};

use super::now::{Now, later};
use super::step::{Ask, InFlight, Reason, Suspect, Value};

/// The token in use. All its ages count from the start of its exchange.
#[derive(Clone, Debug)]
pub(super) struct Current<T> {
    pub(super) token: T,
    /// Where it was rejected and has not been cleared since.
    pub(super) suspicion: Option<Suspicion>,
    /// How often it was suspect so far.
    pub(super) suspicions: u32,
    pub(super) claimed_at: Now,
    /// Why it was fetched.
    pub(super) reason: Reason,
    called_at: Now,
    refresh_after: Duration,
    usable_for: Duration,
}

/// The token in use was rejected: it may be dead, or a route denied the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pub(super) number: Suspect,
    since: Instant,
    /// Its renewal is due from here on.
    pub(super) renew_from: Instant,
    pub(super) charge: Charge,
    pub(super) renewal: SuspectRenewal,
}

/// What the next renewal of a suspect token costs the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    WithinBudget,
    BeyondBudget,
    /// Nothing: the one before failed, and was charged.
    Done,
}

/// How the renewal of a suspect token went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SuspectRenewal {
    /// It has not ended yet.
    Open,
    /// It failed, with the error that the life keeps.
    Failed,
    /// It brought the same token again.
    SameAgain,
}

impl<T: Value> Current<T> {
    /// `chance`, from 0 to 1, draws the refresh point: once for each token,
    /// since drawing it for each request would renew at the earliest.
    pub(super) fn new(token: T, flight: &impl InFlight, called_at: Now, chance: f64) -> Self {
        let lifetime = token.lifetime();
        Self {
            suspicion: None,
            suspicions: 0,
            claimed_at: flight.claimed_at(),
            reason: flight.reason(),
            called_at,
            refresh_after: lifetime.mul_f64(REFRESH_FROM + REFRESH_SPAN * chance),
            usable_for: usable_for(lifetime),
            token,
        }
    }

    pub(super) fn age(&self, now: Now) -> Duration {
        now.since(self.called_at)
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        self.age(now) < self.usable_for
    }

    /// Whether its renewal is due, if nothing holds it back.
    pub(super) fn is_due(&self, now: Now) -> bool {
        let suspicion = self.suspicion.as_ref();
        self.age(now) >= self.refresh_after || suspicion.is_some_and(|s| s.renew_from <= now.mono)
    }

    /// Until when it may be sent without asking, by the monotonic clock, if nothing
    /// happens and no renewal may start before `renewable_from`.
    /// `None` where each request needs one: evidence is gathered of a suspect.
    pub(super) fn fresh_until(&self, now: Now, renewable_from: Option<Instant>) -> Option<Instant> {
        if self.suspicion.is_some() {
            return None;
        }
        let due = later(self.called_at.mono, self.refresh_after);
        let due = renewable_from.map_or(due, |from| from.max(due));
        let expiry = later(self.called_at.mono, self.usable_for);
        Some(due.min(expiry).min(later(now.mono, WALL_CLOCK_CHECK)))
    }

    /// The time until its renewal is due.
    pub(super) fn refresh_in(&self, now: Now) -> Duration {
        let by_age = self.refresh_after.saturating_sub(self.age(now));
        let by_suspicion = self.suspicion.as_ref();
        let by_suspicion = by_suspicion.map(|s| s.renew_from.saturating_duration_since(now.mono));
        by_suspicion.map_or(by_age, |due| due.min(by_age))
    }

    /// The time until it is used no more.
    pub(super) fn expires_in(&self, now: Now) -> Duration {
        self.usable_for.saturating_sub(self.age(now))
    }
}

/// Whether `token` has expired by the time that it came, only because the wall
/// clock ran ahead of the monotonic one since its exchange was started.
pub(in crate::cache) fn is_outrun<T: Value>(token: &T, called_at: Now, now: Now) -> bool {
    let usable_for = usable_for(token.lifetime());
    now.since(called_at) >= usable_for
        && now.mono.saturating_duration_since(called_at.mono) < usable_for
}

/// How long a token is used that lives for `lifetime`.
pub(crate) fn usable_for(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MAX_MARGIN.min(lifetime.mul_f64(MARGIN)))
}

/// The lifetime of a token that is to be used for `usable`.
#[cfg(feature = "redis")]
pub(crate) fn lifetime_for(usable: Duration) -> Duration {
    let margin = usable.mul_f64(MARGIN / (1.0 - MARGIN));
    usable.saturating_add(margin.min(MAX_MARGIN))
}

impl Suspicion {
    pub(super) fn new(number: Suspect, now: Instant, charge: Charge, delay: Duration) -> Self {
        Self {
            number,
            since: now,
            renew_from: later(now, delay),
            charge,
            renewal: SuspectRenewal::Open,
        }
    }

    /// Until when requests wait for the renewal, and probes for what becomes of
    /// the suspicion.
    pub(super) fn wait_until(&self, ask: Ask, flight: Option<&impl InFlight>) -> Instant {
        let until = later(self.since, LONGEST_WAIT);
        match flight {
            // The one who probes may have started it.
            Some(flight) if ask == Ask::Probe => {
                until.max(later(flight.claimed_at().mono, LONGEST_WAIT))
            }
            _ => until,
        }
    }

    /// Whether its renewal is waited for at `now`: by requests in its first second
    /// where the budget allows it, by probes whenever it is due.
    pub(super) fn is_awaited(&self, ask: Ask, now: Instant) -> bool {
        let is_due = match ask {
            Ask::Probe => self.renew_from <= now,
            _ => self.charge != Charge::BeyondBudget && now < later(self.since, LONGEST_WAIT),
        };
        self.renewal == SuspectRenewal::Open && is_due
    }
}

/// The refresh point, as parts of the lifetime: late enough to use a token
/// well, early enough to sit out an outage of minutes, and drawn from a span,
/// so that processes that started together drift apart.
const REFRESH_FROM: f64 = 0.6;
const REFRESH_SPAN: f64 = 0.2;

/// A token is given up before it expires, so that it is alive when the request
/// arrives: by this part of its lifetime, but never by more than that.
const MARGIN: f64 = 0.1;
const MAX_MARGIN: Duration = Duration::from_secs(10);

/// The wall clock is looked at this often at least.
const WALL_CLOCK_CHECK: Duration = Duration::from_secs(1);

/// An exchange takes a fraction of it. Where the token is dead, the wait spares
/// a 401; where a route denied a request, all others pay for that.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
