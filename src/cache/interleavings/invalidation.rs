//! A token that is replaced or invalidated, and those who read it without a lock.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};

use super::world::{ask, check, fresh, own, token};
use crate::cache::core::Ask;

#[test]
fn an_invalidated_token_is_not_fresh_for_anybody() {
    check(|world| {
        world.publish(1);
        let own = own(&world.cache);
        let gone = Arc::new(AtomicBool::new(false));
        let invalidation = {
            let gone = gone.clone();
            world.spawn(move |cache| {
                cache.invalidate(&token(1));
                assert!(fresh(cache).is_none());
                gone.store(true, Ordering::Release);
            })
        };
        let request = world.spawn(ask);
        let was_gone = gone.load(Ordering::Acquire);
        let seen = fresh(&world.cache);
        assert!(!was_gone || seen.is_none());
        invalidation.join().unwrap();
        request.join().unwrap();
        assert!(fresh(&world.cache).is_none());
        assert!(world.cache.fresh_own(&own).is_none(), "its copy is stopped");
    });
}

#[test]
fn an_invalidated_token_gives_way_to_the_renewal_under_way() {
    check(|world| {
        world.publish(1);
        let flight = world.claim(Ask::Refresh);
        let invalidation = world.spawn(|cache| {
            cache.invalidate(&token(1));
            let seen = fresh(cache);
            assert!(seen.is_none_or(|seen| seen.generation() == 2));
        });
        world.bring(&flight, 2);
        invalidation.join().unwrap();
        assert_eq!(fresh(&world.cache).unwrap().generation(), 2);
    });
}

#[test]
fn a_request_that_asks_late_does_not_revive_a_replaced_token() {
    check(|world| {
        world.publish(1);
        let own = own(&world.cache);
        let flight = world.claim(Ask::Refresh);
        let requests = [world.spawn(ask), world.spawn(ask)];
        world.bring(&flight, 2);
        for request in requests {
            request.join().unwrap();
        }
        assert!(world.cache.fresh_own(&own).is_none(), "its copy is stopped");
        assert_eq!(fresh(&world.cache).unwrap().generation(), 2);
    });
}

#[test]
fn a_reader_sees_either_token_but_no_older_one_afterwards() {
    check(|world| {
        world.publish(1);
        let flight = world.claim(Ask::Refresh);
        let reader = world.spawn(|cache| {
            let seen = [fresh(cache), fresh(cache)];
            let [first, second] = seen.map(|seen| seen.map(|mark| mark.generation()));
            assert!(first != Some(2) || second == Some(2));
        });
        world.bring(&flight, 2);
        assert_eq!(fresh(&world.cache).unwrap().generation(), 2);
        reader.join().unwrap();
    });
}
