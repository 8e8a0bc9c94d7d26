//! Every interleaving of the threads that share a token, as far as loom can
//! tell: `RUSTFLAGS="--cfg loom" cargo test --release --lib --no-default-features
//! interleavings`.
//!
//! What runs is the crate's own code, a request's whole wait included, on loom's
//! mutex and atomics. Modelled are the lock-free slot (a lock), `OnceLock` and
//! tokio's `Notify` (see `sync`). tokio's runtime is real, but stands still: time
//! passes where a test says so, and exchanges end where a test ends them.
//!
//! Breaks tried, and what fails with each:
//! - waiters woken before the end can be seen, or a look at the end before the
//!   waker is registered: `whoever_waits_…` deadlock, which aborts the process
//! - waiters woken before the token is published: `whoever_waits_sees_…`
//! - a claim that ignores the exchange under way, or the spacing:
//!   `of_many_requests_that_refresh_…`, `a_refresh_is_held_back_…`
//! - a claim that does not look again whether it is needed:
//!   `whoever_claims_waits_…`, `a_late_rejection_…`
//! - rejections of any generation: `a_late_rejection_…`; one that starts no
//!   renewal: `many_rejections_…`
//! - an invalidated token that stays published: `an_invalidated_token_…`
//! - a replaced token that keeps its quiet time, or a quiet time written outside
//!   the lock: `a_decision_that_comes_late_…`
//!
//! Relaxed orderings on the quiet time change nothing: whoever sees it stopped
//! takes the lock before anything else.

mod world;

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use self::world::{check, claim, wait};
use super::flight::Landing;
use super::shared::{Shared, Step};
use crate::ErrorKind;

#[test]
fn of_many_requests_without_a_token_one_claims_the_exchange() {
    check(|world| {
        let requests = [world.spawn(claim), world.spawn(claim)];
        let mut claims = u32::from(claim(&world.cache));
        for request in requests {
            claims += u32::from(request.join().unwrap());
        }
        assert_eq!(claims, 1);
        assert_eq!(world.cache.status().fetches, 1);
    });
}

#[test]
fn of_many_requests_that_refresh_one_claims_the_exchange() {
    check(|world| {
        world.publish(1);
        let refresh = |cache: &Arc<Shared>| cache.claim(true).is_some();
        let others = [world.spawn(refresh), world.spawn(refresh)];
        let mut claims = u32::from(refresh(&world.cache));
        for other in others {
            claims += u32::from(other.join().unwrap());
        }
        assert_eq!(claims, 1);
    });
}

#[test]
fn a_refresh_is_held_back_by_a_failure_that_comes_between() {
    check(|world| {
        world.publish(1);
        let refresh = world.spawn(|cache| match cache.decide(true) {
            Step::Claim => cache.claim(true).is_some(),
            _ => false,
        });
        if let Some(flight) = world.cache.claim(true) {
            world.fail(&flight);
        }
        refresh.join().unwrap();
        assert_eq!(world.cache.status().fetches, 2);
    });
}

#[test]
fn whoever_waits_sees_the_exchange_end() {
    check(|world| {
        let flight = world.cache.claim(false).unwrap();
        let waits = [world.spawn(wait), world.spawn(wait)];
        world.land(&flight, 1);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap().generation(), 1);
        }
    });
}

#[test]
fn whoever_waits_shares_the_error() {
    check(|world| {
        let flight = world.cache.claim(false).unwrap();
        let waits = [world.spawn(wait), world.spawn(wait)];
        world.fail(&flight);
        for wait in waits {
            let error = wait.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
        assert_eq!(world.cache.status().fetches, 1);
    });
}

#[test]
fn whoever_waits_for_a_renewal_that_fails_sends_the_token_that_is_left() {
    check(|world| {
        let token = world.publish(1);
        let flight = world.cache.claim(true).unwrap();
        token.reject();
        let waits = [world.spawn(wait), world.spawn(wait)];
        world.fail(&flight);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap().generation(), 1);
        }
    });
}

#[test]
fn whoever_claims_waits_for_its_own_exchange() {
    check(|world| {
        let waits = [world.spawn(wait), world.spawn(wait)];
        let flight = loop {
            match world.cache.decide(false) {
                Step::Join(flight) => break flight,
                _ => thread::yield_now(),
            }
        };
        world.land(&flight, 1);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap().generation(), 1);
        }
        assert_eq!(world.cache.status().fetches, 1);
    });
}

#[test]
fn a_late_rejection_does_not_hit_the_successor() {
    check(|world| {
        let old = world.publish(1);
        let flight = world.cache.claim(true).unwrap();
        let rejections = [(), ()].map(|()| {
            let old = old.clone();
            world.spawn(move |_| old.reject())
        });
        world.land(&flight, 2);
        for rejection in rejections {
            assert!(rejection.join().unwrap(), "another token is on its way");
        }
        assert_eq!(world.cache.fresh().unwrap().generation(), 2);
        assert_eq!(world.cache.status().fetches, 2);
    });
}

#[test]
fn many_rejections_of_one_token_start_one_renewal() {
    check(|world| {
        let token = world.publish(1);
        let rejections = [(), ()].map(|()| {
            let token = token.clone();
            world.spawn(move |_| token.reject())
        });
        for rejection in rejections {
            assert!(rejection.join().unwrap());
        }
        assert_eq!(world.cache.status().fetches, 2);
        assert_eq!(world.cache.status().rejections, 1);
        assert!(world.cache.fresh().is_none());
    });
}

#[test]
fn an_invalidated_token_is_not_fresh_for_anybody() {
    check(|world| {
        let token = world.publish(1);
        let gone = Arc::new(AtomicBool::new(false));
        let invalidation = {
            let (token, gone) = (token.clone(), gone.clone());
            world.spawn(move |cache| {
                cache.invalidate(token.token());
                assert!(cache.fresh().is_none());
                gone.store(true, Ordering::Release);
            })
        };
        let decision = world.spawn(|cache| drop(cache.decide(false)));
        let was_gone = gone.load(Ordering::Acquire);
        let seen = world.cache.fresh();
        assert!(!was_gone || seen.is_none());
        invalidation.join().unwrap();
        decision.join().unwrap();
        assert!(world.cache.fresh().is_none());
        assert!(token.is_stopped());
    });
}

#[test]
fn an_invalidated_token_gives_way_to_the_renewal_under_way() {
    check(|world| {
        let token = world.publish(1);
        let flight = world.cache.claim(true).unwrap();
        let invalidation = {
            let token = token.clone();
            world.spawn(move |cache| {
                cache.invalidate(token.token());
                let seen = cache.fresh();
                assert!(seen.is_none_or(|seen| seen.generation() == 2));
            })
        };
        world.land(&flight, 2);
        invalidation.join().unwrap();
        assert_eq!(world.cache.fresh().unwrap().generation(), 2);
    });
}

#[test]
fn a_decision_that_comes_late_does_not_revive_a_replaced_token() {
    check(|world| {
        let old = world.publish(1);
        let flight = world.cache.claim(true).unwrap();
        let decisions = [
            world.spawn(|cache| drop(cache.decide(false))),
            world.spawn(|cache| drop(cache.decide(false))),
        ];
        world.land(&flight, 2);
        for decision in decisions {
            decision.join().unwrap();
        }
        assert!(old.is_stopped());
        assert_eq!(world.cache.fresh().unwrap().generation(), 2);
    });
}

#[test]
fn a_reader_sees_either_token_but_no_older_one_afterwards() {
    check(|world| {
        world.publish(1);
        let flight = world.cache.claim(true).unwrap();
        let reader = world.spawn(|cache| {
            let seen = [cache.fresh(), cache.fresh()];
            let [first, second] = seen.map(|seen| seen.map(|token| token.generation()));
            assert!(first != Some(2) || second == Some(2));
        });
        world.land(&flight, 2);
        assert_eq!(world.cache.fresh().unwrap().generation(), 2);
        reader.join().unwrap();
    });
}

#[test]
fn an_exchange_that_is_overdue_and_ends_after_all_ends_once() {
    check(|world| {
        let flight = world.cache.claim(false).unwrap();
        let waits = world.spawn(wait);
        world.pass(Duration::from_secs(10));
        let superseding = world.spawn(|cache| drop(cache.decide(false)));
        let landing = world.land(&flight, 1);
        superseding.join().unwrap();
        match (waits.join().unwrap(), landing) {
            (Ok(token), Some(Landing::Token)) => assert_eq!(token.generation(), 1),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Timeout),
            other => panic!("{other:?}"),
        }
        assert!(flight.landed().is_some());
    });
}
