//! The rules that hold in every state.

use std::time::{Duration, Instant};

use super::super::fake::{FakeError, FakeToken};
use super::super::now::later;
use super::super::step::{Ask, Claim, Outcome, Renewal, Step, Usable};
use super::book::SECOND;
use super::held::{Charge, Held, Suspicion};
use super::world::{Verdict, World, rule};

type FakeStep = Step<FakeToken, FakeError, Claim<FakeToken>>;

/// What keeps a fetch from being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Nothing,
    /// A pause that is drawn from a range may be over, or not.
    Maybe,
    Something,
}

pub(super) fn check(world: &World) -> Verdict {
    request(world)?;
    missing(world, &world.life.step(Ask::Refresh, world.now))?;
    probe(world)?;
    fresh(world)?;
    status(world)?;
    way_out(world)
}

/// Why no fetch may start that somebody waits for.
fn hold(world: &World) -> Hold {
    let (book, now) = (&world.book, world.now.mono);
    if now < book.backoff.earliest || now < book.short_lives {
        return Hold::Something;
    }
    match now < book.backoff.latest {
        true => Hold::Maybe,
        false => Hold::Nothing,
    }
}

fn request(world: &World) -> Verdict {
    let (book, now) = (&world.book, world.now);
    let step = world.life.step(Ask::Request, now);
    let Some(held) = book.usable(now) else {
        return missing(world, &step);
    };
    let second = held
        .suspicion
        .map(|suspicion| later(suspicion.since, SECOND));
    let waits = held
        .suspicion
        .is_some_and(|suspicion| suspicion.charge != Charge::Beyond && !suspicion.has_failed);
    let second = second.filter(|second| waits && now.mono < *second);
    match (step, second, &book.flight) {
        (Step::Send(usable), None, _) => sent(world, held, &usable),
        (Step::Send(usable), Some(_), None) => {
            rule(hold(world) != Hold::Nothing, "a rejected token is renewed")?;
            sent(world, held, &usable)
        }
        (Step::Join { until, .. }, Some(second), Some(flight)) => rule(
            until <= second && until <= flight.deadline,
            "a request waits for a suspect token for a second at most",
        ),
        (Step::Claim, Some(_), None) => rule(
            hold(world) != Hold::Something,
            "the endpoint's pause is kept",
        ),
        (step, ..) => Err(format!("a request with a token in use does not {step:?}")),
    }
}

/// The step of one who needs another token than the one in use.
fn missing(world: &World, step: &FakeStep) -> Verdict {
    match (step, &world.book.flight, hold(world)) {
        (Step::Join { flight, until }, Some(other), _) => rule(
            flight.id == other.id && *until == other.deadline && *until > world.now.mono,
            "whoever needs a token waits until the deadline of the fetch at most",
        ),
        (Step::Claim, None, Hold::Nothing | Hold::Maybe) => Ok(()),
        (Step::Fail(_), None, Hold::Something | Hold::Maybe) => Ok(()),
        (step, ..) => Err(format!("whoever needs a token does not {step:?}")),
    }
}

fn sent(world: &World, held: &Held, usable: &Usable<FakeToken>) -> Verdict {
    let (book, now) = (&world.book, world.now);
    let suspect = held.suspicion.map(|suspicion| suspicion.which.suspect);
    let is_in_use = usable.token == held.token && usable.generation == book.generation;
    rule(is_in_use, "the token in use is sent")?;
    rule(
        usable.suspect == suspect,
        "a request knows whether its token is suspect",
    )?;
    let (age, lifetime) = (held.age(now), held.token.lifetime);
    let is_suspect = held
        .suspicion
        .is_some_and(|suspicion| suspicion.due <= now.mono);
    let may_be_due = age >= lifetime * 6 / 10 || is_suspect;
    let is_due = age >= lifetime * 8 / 10 || is_suspect;
    let is_free = book.flight.is_none() && book.lost <= now.mono;
    match usable.renewal {
        Renewal::Due => rule(
            may_be_due && is_free && hold(world) != Hold::Something,
            "a renewal in the background is due and not held back",
        ),
        Renewal::NotDue => rule(
            !(is_due && is_free && hold(world) == Hold::Nothing),
            "a renewal that is due and not held back starts",
        ),
    }
}

fn probe(world: &World) -> Verdict {
    let (book, now) = (&world.book, world.now);
    let step = world.life.step(Ask::Probe, now);
    let Some(held) = book.usable(now) else {
        return missing(world, &step);
    };
    let Some(suspicion) = &held.suspicion else {
        return match step {
            Step::Send(usable) => sent(world, held, &usable),
            step => Err(format!("a probe with a good token does not {step:?}")),
        };
    };
    let is_renewable = suspicion.due <= now.mono && book.flight.is_none();
    match step {
        Step::Send(usable) => {
            rule(!suspicion.has_failed, "nobody is told that all is well")?;
            rule(
                book.flight.is_some() || hold(world) != Hold::Something,
                "while nothing can be renewed, a probe does not trust a suspect token",
            )?;
            rule(
                !is_renewable || hold(world) != Hold::Nothing,
                "a probe renews a suspect token",
            )?;
            sent(world, held, &usable)
        }
        Step::Claim => rule(
            is_renewable && !suspicion.has_failed && hold(world) != Hold::Something,
            "a probe renews what may be renewed",
        ),
        Step::Join { until, .. } | Step::Wait { until } => rule(
            now.mono < until && until <= probed_until(world, suspicion),
            "a probe waits for a second at most",
        ),
        Step::Fail(_) => rule(
            now.mono >= later(suspicion.since, SECOND)
                && (suspicion.has_failed || hold(world) != Hold::Nothing),
            "a probe fails where the token is suspect and can't be renewed",
        ),
    }
}

fn probed_until(world: &World, suspicion: &Suspicion) -> Instant {
    let flight = world.book.flight.as_ref();
    let claimed_at = flight.map_or(suspicion.since, |flight| flight.claimed_at.mono);
    later(suspicion.since.max(claimed_at), SECOND)
}

/// Until then, a request that asks nobody does what it would do if it asked.
fn fresh(world: &World) -> Verdict {
    let now = world.now;
    let until = world.life.fresh_until(now);
    let left = until.map(|until| until.saturating_duration_since(now.mono));
    let left = left.unwrap_or_default();
    rule(left <= SECOND, "the wall clock is looked at once a second")?;
    let instant = Duration::from_nanos(1);
    for part in [Duration::ZERO, left / 2, left.saturating_sub(instant)] {
        let is_plain = match world.life.step(Ask::Request, now.after(part)) {
            Step::Send(usable) => usable.suspect.is_none() && usable.renewal == Renewal::NotDue,
            _ => false,
        };
        rule(is_plain || left <= part, "nothing that is due is missed")?;
    }
    let held = world.book.usable(now);
    let is_young = held.is_some_and(|held| {
        held.suspicion.is_none() && held.age(now) < held.token.lifetime * 6 / 10
    });
    rule(
        !is_young || !left.is_zero(),
        "a good token is sent without asking",
    )
}

fn status(world: &World) -> Verdict {
    let (book, now) = (&world.book, world.now);
    let status = world.life.snapshot(now);
    let held = book.usable(now);
    let suspicion = held.and_then(|held| held.suspicion);
    let suspect = suspicion.map(|suspicion| suspicion.which.suspect);
    let is_failing = book.is_failing || suspicion.is_some_and(|suspicion| suspicion.has_failed);
    let counts = (status.fetches, status.failures, status.rejections);
    let lifetime = held.map(|held| held.token.lifetime);
    rule(
        status.generation == book.generation,
        "the generation is told",
    )?;
    rule(status.lifetime == lifetime, "the lifetime is told")?;
    rule(status.suspect == suspect, "a suspicion is told")?;
    if let (Step::Send(usable), None) = (world.life.step(Ask::Request, now), world.life.flight()) {
        rule(
            (usable.renewal == Renewal::Due) == (status.refresh_in == Some(Duration::ZERO)),
            "it is told when the renewal may start",
        )?;
    }
    rule(
        status.last_error.is_some() == is_failing,
        "the last error is told until a success",
    )?;
    rule(
        counts == (book.fetches, book.failures, book.rejections),
        "all is counted",
    )
}

/// With an endpoint that works, a request is sent once nothing holds it back.
fn way_out(world: &World) -> Verdict {
    let book = &world.book;
    let free = book.backoff.latest.max(book.short_lives);
    let wait = free.saturating_duration_since(world.now.mono);
    rule(wait <= LONGEST_HOLD, "no hold is longer than 330 s")?;
    let mut life = world.life.clone();
    let now = match book.flight {
        Some(_) => world.now,
        None => world.now.after(wait),
    };
    if let Step::Claim = life.step(Ask::Request, now) {
        life.claim(Ask::Request, now, |claim| claim);
    }
    if let Some(id) = life.flight().map(|flight| flight.id) {
        let ending = world.clone().issue(Duration::from_secs(100), now);
        let completed = life
            .complete(id, ending, now, 0.5)
            .map_err(|_| "a fetch ends")?;
        rule(completed.outcome == Outcome::Token, "a good token is taken")?;
    }
    let is_sent = matches!(life.step(Ask::Request, now), Step::Send(_));
    rule(is_sent, "there is a way out")
}

/// Five minutes, and a tenth by chance.
const LONGEST_HOLD: Duration = Duration::from_secs(330);
