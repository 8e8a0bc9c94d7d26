//! Every interleaving of the threads that share a token, as far as loom can
//! tell: `RUSTFLAGS="--cfg loom" cargo test --release --lib --no-default-features
//! interleavings`.
//!
//! What runs is the crate's own code, a request's whole wait included, on loom's
//! mutex and atomics; the lock-free slot is modelled by a lock (see `sync`).
//! tokio's runtime is real, but stands still: time passes where a test says so,
//! and fetches end where a test ends them.
//!
//! Mutations caught, and by which test:
//! - waiters woken before the end can be seen, or a look at the end before the
//!   waker is registered: `whoever_waits_sees_…` deadlocks, which aborts the process
//! - waiters woken before the token is published: `whoever_waits_…`
//! - a waiter that is dropped and leaves its waker, or takes another's away:
//!   `a_waiter_that_is_dropped_…`
//! - a claim that ignores the flight or the backoff, or does not look again whether
//!   it is needed: `a_refresh_is_held_back_…`
//! - rejections of any generation: `a_late_rejection_…`; one that starts no
//!   renewal, or leaves the token fresh: `a_rejection_beside_evidence_…`
//! - evidence of any suspicion, or that is not published:
//!   `a_rejection_beside_evidence_…`
//! - an invalidated token that stays published: `an_invalidated_token_…`
//! - a replaced token that keeps its limit, or a limit written outside the lock:
//!   `a_request_that_asks_late_…`
//! - a report or a task that keeps the cache: `a_cache_that_is_dropped_…`
//! - an overdue flight that counts when it ends after all: `a_fetch_that_is_overdue_…`

mod evidence;
mod invalidation;
mod waiters;
mod world;

use std::sync::Arc;

use self::world::{check, claim, fresh, wait};
use super::core::{Ask, Resend, Step};
use super::shared::Shared;

#[test]
fn of_many_requests_without_a_token_one_claims_the_fetch() {
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
fn of_many_requests_that_refresh_one_claims_the_fetch() {
    check(|world| {
        world.publish(1);
        let refresh = |cache: &Arc<Shared>| cache.claim(Ask::Refresh).is_some();
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
        let refresh = world.spawn(|cache| match cache.step(Ask::Refresh) {
            Step::Claim => cache.claim(Ask::Refresh).is_some(),
            _ => false,
        });
        if let Some(flight) = world.cache.claim(Ask::Refresh) {
            world.fail(&flight);
        }
        refresh.join().unwrap();
        assert_eq!(world.cache.status().fetches, 2);
    });
}

#[test]
fn whoever_claims_waits_for_its_own_fetch() {
    check(|world| {
        let waits = [world.spawn(wait), world.spawn(wait)];
        let claimed = world.cache.claim(Ask::Request);
        let flight = claimed.unwrap_or_else(|| world.flight());
        world.bring(&flight, 1);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap().generation, 1);
        }
        assert_eq!(world.cache.status().fetches, 1);
    });
}

#[test]
fn a_late_rejection_does_not_hit_the_successor() {
    check(|world| {
        let old = world.publish(1);
        let flight = world.claim(Ask::Refresh);
        let rejections = [(), ()].map(|()| world.spawn(move |_| old.reject()));
        world.bring(&flight, 2);
        for rejection in rejections {
            let resend = rejection.join().unwrap();
            assert_eq!(resend, Resend::Another, "another token is on its way");
        }
        assert_eq!(fresh(&world.cache).unwrap().generation(), 2);
        assert_eq!(world.cache.status().fetches, 2);
        assert!(!world.cache.status().suspect);
    });
}

#[test]
fn many_rejections_of_one_token_start_one_renewal() {
    check(|world| {
        let token = world.publish(1);
        let rejections = [(), ()].map(|()| world.spawn(move |_| token.reject()));
        for rejection in rejections {
            assert_eq!(rejection.join().unwrap(), Resend::Another);
        }
        assert_eq!(world.cache.status().fetches, 2);
        assert_eq!(world.cache.status().rejections, 1);
        assert!(fresh(&world.cache).is_none());
    });
}
