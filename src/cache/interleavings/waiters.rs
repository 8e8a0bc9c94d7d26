//! Waiters, and the end of the fetch that they wait for.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::world::{check, wait};
use crate::cache::core::{Ask, Outcome};
use crate::cache::flight::{Flight, Waiter};
use crate::{Error, ErrorKind};

#[test]
fn whoever_waits_sees_the_fetch_end() {
    check(|world| {
        let flight = world.claim(Ask::Request);
        let waits = [world.spawn(wait), world.spawn(wait)];
        world.bring(&flight, 1);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap().generation, 1);
        }
    });
}

#[test]
fn whoever_waits_shares_the_error() {
    check(|world| {
        let flight = world.claim(Ask::Request);
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
        let flight = world.claim(Ask::Refresh);
        token.reject();
        let waits = [world.spawn(wait), world.spawn(wait)];
        world.fail(&flight);
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap().generation, 1);
        }
    });
}

#[test]
fn a_waiter_that_is_dropped_at_the_end_leaves_nothing_and_costs_nobody_theirs() {
    check(|world| {
        let flight = world.claim(Ask::Request);
        let (waker, other) = (Arc::new(Ignored), world.spawn(wait));
        let _ = poll_and_drop(flight.clone(), waker.clone());
        assert_eq!(Arc::strong_count(&waker), 1, "its waker is kept");
        let dropped = {
            let (flight, waker) = (flight.clone(), waker.clone());
            world.spawn(move |_| poll_and_drop(flight, waker))
        };
        world.bring(&flight, 1);
        let polled = dropped.join().unwrap();
        assert!(matches!(
            polled,
            Poll::Pending | Poll::Ready(Outcome::Token)
        ));
        assert_eq!(other.join().unwrap().unwrap().generation, 1);
        assert_eq!(Arc::strong_count(&waker), 1, "its waker is kept");
        assert_eq!(world.cache.status().waiting, 0);
    });
}

#[test]
fn a_fetch_that_is_overdue_and_ends_after_all_ends_once() {
    check(|world| {
        let flight = world.claim(Ask::Request);
        let waits = world.spawn(wait);
        world.pass(Duration::from_secs(10));
        let superseding = world.spawn(|cache| cache.end_overdue());
        let outcome = world.bring(&flight, 1);
        superseding.join().unwrap();
        match (waits.join().unwrap(), outcome) {
            (Ok(usable), Some(Outcome::Token)) => assert_eq!(usable.generation, 1),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Timeout),
            other => panic!("{other:?}"),
        }
        assert!(flight.outcome().is_some());
    });
}

fn poll_and_drop(flight: Arc<Flight>, waker: Arc<Ignored>) -> Poll<Outcome<Error>> {
    let mut waiter = Waiter::new(flight);
    waiter.poll(&mut Context::from_waker(&Waker::from(waker)))
}

struct Ignored;

impl Wake for Ignored {
    fn wake(self: Arc<Self>) {}
}
