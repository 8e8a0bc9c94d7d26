//! Every sequence of events, to a depth, against the pure core: the shortest one
//! that breaks a rule is named.
//!
//! Six events from the very beginning, five from each of four states that take
//! more events to reach: some 630,000 sequences that differ in what they lead to.
//!
//! Mutations caught: a second fetch beside the one under way; a deadline of 11 s,
//! or an overdue fetch that goes on; an earlier fetch that ends after all; one
//! clock instead of two; no margin, or half of it; renewals from 50 or to 90 % of
//! a lifetime; a failure that removes the token, or a success that does not end the
//! backoff; a backoff that does not grow, or does not hold a missing token;
//! `Retry-After` ignored or not cut; a budget that holds a missing token, allows
//! two or four at once, fills in 4 or 6 min, is not charged, or charged twice for
//! one suspicion; a delay beyond it that does not grow; requests that wait for a
//! suspect token for 2 s, or beyond the budget; rejections or evidence that
//! concern a successor or another suspicion; the same token again that is taken
//! for a good one, or is due at once; probes that trust a token whose renewal
//! failed, fail at once, never fail, or wait beyond a second; no pause after a
//! loss, one of 2 s, or one that holds a missing token; short lives that are not
//! held, or for 2 s; an invalidated token that stays or comes back; a rejected
//! token not told, or never forgotten; a token that is fresh past its refresh
//! point, while it is suspect, or for 2 s. Not caught, since it makes no
//! difference: evidence of any generation, as suspicions are numbered.

mod book;
mod held;
mod rules;
mod world;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use self::world::World;
use super::step::Ask;

#[test]
fn no_sequence_of_events_breaks_a_rule() {
    // What is drawn is of little consequence: the second time one step less.
    for (chance, less) in [(0.0, 0), (1.0, 1)] {
        let states: usize = STARTS
            .iter()
            .map(|(name, start, depth)| search(name, start, *depth - less, chance))
            .sum();
        println!("chance {chance}: {states} states");
    }
}

/// What happens to a token's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// So many milliseconds pass, by both clocks.
    Pass(u64),
    /// The wall clock is set by so many seconds.
    SetWall(i64),
    /// Somebody asks, and claims a fetch where that is the next step.
    Asks(Ask),
    /// The fetch under way ends.
    Ends(End),
    /// The API rejects a token, and the renewal is claimed that is due.
    Rejects(Of),
    /// The API accepts a token that was suspect when it was sent.
    Accepts(Of),
    /// The user invalidates the token in use.
    Invalidates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With another token, which lives for 100 s…
    Long,
    /// …or for half a second.
    Short,
    /// With the token in use.
    Same,
    /// With the token that was invalidated last.
    Invalidated,
    Fails,
    /// With an error that asks for a pause of more than five minutes.
    FailsForLong,
    Lost,
}

/// Which token or suspicion an answer of the API is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Current,
    Earlier,
}

/// How a search begins, and how far it goes from there.
type Start = (&'static str, &'static [Event], usize);

const STARTS: [Start; 5] = [
    ("nothing", &[], 6),
    ("a token in use", &[REQUEST, LONG], 5),
    (
        "a suspect token whose renewal failed",
        &[REQUEST, LONG, REJECTED, LONG, REJECTED, FAILS],
        5,
    ),
    (
        "the budget is spent",
        &[
            REQUEST, LONG, REJECTED, LONG, REJECTED, LONG, REJECTED, LONG,
        ],
        5,
    ),
    (
        "a long outage",
        &[
            REQUEST,
            FAILS,
            HALF_A_MINUTE,
            REQUEST,
            FAILS,
            HALF_A_MINUTE,
            REQUEST,
            FAILS,
            HALF_A_MINUTE,
            REQUEST,
            FAILS,
            HALF_A_MINUTE,
            REQUEST,
            FAILS,
        ],
        5,
    ),
];

/// Telling spans: within the first second of a suspicion or a backoff, all of
/// it, longer than any step of a backoff, not quite to the refresh point of a token, and
/// not quite a renewal's worth of the budget.
const EVENTS: [Event; 23] = [
    Event::Pass(400),
    Event::Pass(1000),
    Event::Pass(9000),
    HALF_A_MINUTE,
    Event::Pass(55_000),
    Event::Pass(290_000),
    Event::SetWall(95),
    Event::SetWall(-1000),
    REQUEST,
    Event::Asks(Ask::Probe),
    Event::Asks(Ask::Refresh),
    LONG,
    Event::Ends(End::Short),
    Event::Ends(End::Same),
    Event::Ends(End::Invalidated),
    FAILS,
    Event::Ends(End::FailsForLong),
    Event::Ends(End::Lost),
    REJECTED,
    Event::Rejects(Of::Earlier),
    Event::Accepts(Of::Current),
    Event::Accepts(Of::Earlier),
    Event::Invalidates,
];

const HALF_A_MINUTE: Event = Event::Pass(30_000);
const REQUEST: Event = Event::Asks(Ask::Request);
const LONG: Event = Event::Ends(End::Long);
const FAILS: Event = Event::Ends(End::Fails);
const REJECTED: Event = Event::Rejects(Of::Current);

/// A sequence of events, the last one first.
struct Path {
    event: Event,
    before: Option<Rc<Path>>,
}

/// Breadth first, so that the first sequence that breaks a rule is a shortest
/// one. A state that was seen before is not followed again. Returns how many
/// there were.
fn search(name: &str, start: &[Event], depth: usize, chance: f64) -> usize {
    let mut world = World::new(chance);
    for event in start {
        world = world.after(*event).unwrap().unwrap();
    }
    let mut seen = HashSet::new();
    let mut layer: Vec<(World, Option<Rc<Path>>)> = vec![(world, None)];
    let mut states = 1;
    for left in (0..depth).rev() {
        let mut next = Vec::new();
        for (world, before) in &layer {
            for event in EVENTS {
                let Some(after) = world.after(event) else {
                    continue;
                };
                let before = before.clone();
                let path = Rc::new(Path { event, before });
                let after = match after.and_then(|after| rules::check(&after).map(|()| after)) {
                    Ok(after) => after,
                    Err(rule) => panic!("{rule}; chance {chance}, from {name}: {}", text(&path)),
                };
                states += 1;
                if left > 0 && seen.insert(key(&after)) {
                    next.push((after, Some(path)));
                }
            }
        }
        layer = next;
    }
    states
}

fn text(path: &Path) -> String {
    let mut text = path.before.as_deref().map(text).unwrap_or_default();
    let _ = write!(text, " {:?}", path.event);
    text
}

fn key(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{world:?}").hash(&mut hasher);
    hasher.finish()
}
