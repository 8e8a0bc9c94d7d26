//! What requests tell of a suspect token, and what happens to it meanwhile.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::world::{ask, cache, check, fresh, publish};
use crate::cache::core::{Outcome, Resend};
use crate::cache::mark::Mark;

#[test]
fn evidence_while_the_renewal_ends_leaves_a_good_token() {
    check(|world| {
        world.publish(1).reject();
        let (flight, mark) = (world.flight(), world.suspect_mark());
        let evidence = world.spawn(move |_| mark.accept());
        world.bring(&flight, 2);
        evidence.join().unwrap();
        let status = world.cache.status();
        assert!(!status.suspect);
        assert_eq!((status.generation, status.failures), (2, 0));
        assert_eq!(fresh(&world.cache).unwrap().generation(), 2);
    });
}

#[test]
fn evidence_while_the_renewal_brings_the_same_token_clears_it() {
    check(|world| {
        world.publish(1).reject();
        let (flight, mark) = (world.flight(), world.suspect_mark());
        let evidence = world.spawn(move |_| mark.accept());
        let outcome = world.bring(&flight, 1).unwrap();
        evidence.join().unwrap();
        let status = world.cache.status();
        assert!(!status.suspect && status.last_error.is_none());
        // If the evidence came first, it is as good as new.
        let has_failed = matches!(outcome, Outcome::Failed(_));
        assert_eq!(status.failures, u64::from(has_failed));
        assert_eq!(fresh(&world.cache).unwrap().generation(), 1);
    });
}

#[test]
fn a_rejection_beside_evidence_leaves_a_suspicion_of_its_own_or_none() {
    check(|world| {
        let token = world.publish(1);
        token.reject();
        world.fail(&world.flight());
        let mark = world.suspect_mark();
        let evidence = world.spawn(move |_| mark.accept());
        let rejection = world.spawn(move |_| token.reject());
        evidence.join().unwrap();
        // While the endpoint backs off, there is no other one.
        assert_eq!(rejection.join().unwrap(), Resend::Same);
        let was_suspect = world.cache.status().suspect;
        assert_eq!(fresh(&world.cache).is_none(), was_suspect);
        mark.accept();
        let status = world.cache.status();
        assert_eq!(status.suspect, was_suspect, "late evidence counts");
        assert_eq!((status.rejections, status.fetches), (1, 2));
    });
}

#[test]
fn a_cache_that_is_dropped_while_a_mark_reports_is_gone_afterwards() {
    check(|_| {
        let cache = cache();
        let mark = publish(&cache, 1);
        let weak = Arc::downgrade(&cache);
        // loom only reorders what it has seen to conflict, and dropping a cache, or
        // finding none, is nothing that it sees.
        let turn = Arc::new(AtomicBool::new(false));
        let report = |report: fn(Mark)| {
            let turn = turn.clone();
            thread::spawn(move || {
                turn.store(true, Ordering::Relaxed);
                report(mark);
            })
        };
        let reports = [
            report(|mark| {
                mark.reject();
            }),
            report(|mark| mark.renew()),
        ];
        turn.load(Ordering::Relaxed);
        ask(&cache);
        drop(cache);
        for report in reports {
            report.join().unwrap();
        }
        assert!(weak.upgrade().is_none());
        assert_eq!(mark.reject(), Resend::Same);
    });
}
