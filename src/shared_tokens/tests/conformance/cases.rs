//! The cases of the suite.

use std::time::Duration;

use super::{Case, MINUTE, ask, token};
use crate::shared_tokens::memory::Value;
use crate::shared_tokens::protocol::{
    Ask, Exchange, LEASE, Renewal, TOKEN_ENTRY, Unreadable, What, Written,
};

/// Makes an ask another one.
type Change = fn(&mut Ask);

impl Case<'_> {
    pub(super) async fn one_exchanges_and_others_wait(&self) {
        self.bed.clear();
        let nothing = What::Exchange { before: vec![] };
        assert_eq!(self.decide(&ask(1)).await, nothing);
        self.near(self.left(&self.names.lock), LEASE);
        let lock = ask(1).lock.0;
        assert_eq!(self.decide(&ask(2)).await, What::Wait { lock });
        // Whoever has not heard the answer asks again.
        assert_eq!(self.decide(&ask(1)).await, nothing);
        let mut late = ask(3);
        late.exchange = Exchange::No;
        assert!(matches!(self.decide(&late).await, What::Wait { .. }));
        self.bed.clear();
        assert_eq!(self.decide(&late).await, What::Free);
        assert!(!self.is_there(&self.names.lock));
    }

    pub(super) async fn a_token_is_stored_by_the_owner_of_the_lock_alone(&self) {
        self.bed.clear();
        let entry = token(1, 1);
        assert_eq!(self.publish(1, &entry, MINUTE).await, Written::NotOurs);
        self.decide(&ask(1)).await;
        assert_eq!(self.publish(2, &entry, MINUTE).await, Written::NotOurs);
        assert!(!self.is_there(&self.names.token) && self.is_there(&self.names.lock));

        let hold = self.hold(-1).await;
        self.bed
            .put(&self.names.hold, Value::Text(hold), Some(MINUTE));
        assert_eq!(self.publish(1, &entry, MINUTE).await, Written::Done);
        self.near(self.left(&self.names.token), MINUTE);
        assert!(!self.is_there(&self.names.lock) && !self.is_there(&self.names.hold));
        assert_eq!(self.publish(1, &entry, MINUTE).await, Written::NotOurs);
        match self.decide(&ask(2)).await {
            What::Token { entry: found, left } => {
                assert_eq!(found, entry);
                self.near(left, MINUTE);
            }
            other => panic!("{other:?}"),
        }

        // One that has expired by then is not stored.
        self.bed.clear();
        self.decide(&ask(1)).await;
        assert_eq!(self.publish(1, &entry, Duration::ZERO).await, Written::Done);
        assert!(!self.is_there(&self.names.token) && !self.is_there(&self.names.lock));

        // Whatever was there before is replaced.
        self.bed.put(&self.names.token, Value::Foreign, None);
        self.decide(&ask(1)).await;
        assert_eq!(self.publish(1, &entry, MINUTE).await, Written::Done);
        self.near(self.left(&self.names.token), MINUTE);
    }

    pub(super) async fn a_token_goes_to_those_who_can_use_it(&self) {
        let usable = |what: &What| matches!(what, What::Token { .. });
        let cases: [(&str, bool, Change); 7] = [
            ("none held", true, |_| {}),
            ("held", false, |ask| ask.held = Some(([1; 16], None))),
            ("held from there", false, |ask| {
                ask.held = Some(([1; 16], Some([1; 8])));
            }),
            ("published again", true, |ask| {
                ask.held = Some(([1; 16], Some([2; 8])));
            }),
            ("another held", true, |ask| ask.held = Some(([2; 16], None))),
            ("rejected", false, |ask| {
                ask.rejected = vec![[3; 16], [1; 16]]
            }),
            ("others rejected", true, |ask| {
                // Two that have its tag across their border.
                let mut halves = [[0; 16]; 2];
                halves[0][8..].fill(1);
                halves[1][..8].fill(1);
                ask.rejected = halves.to_vec();
            }),
        ];
        for (what, expected, change) in cases {
            self.bed.clear();
            let value = Value::Text(token(1, 1));
            self.bed.put(&self.names.token, value, Some(MINUTE));
            let mut ask = ask(1);
            change(&mut ask);
            assert_eq!(usable(&self.decide(&ask).await), expected, "{what}");
        }

        // Its time is short, or nobody says how short.
        let value = Value::Text(token(1, 1));
        let short = Duration::from_millis(990);
        self.bed.put(&self.names.token, value.clone(), Some(short));
        assert!(!usable(&self.decide(&ask(1)).await));
        self.bed.put(&self.names.token, value.clone(), None);
        let entry = token(1, 1);
        assert_eq!(
            self.decide(&ask(1)).await,
            What::Token { entry, left: None }
        );
        // It comes before a hold and a lock.
        let hold = self.hold(60).await;
        self.bed
            .put(&self.names.hold, Value::Text(hold), Some(MINUTE));
        assert!(usable(&self.decide(&ask(2)).await));
    }

    pub(super) async fn a_failure_holds_back_and_is_remembered(&self) {
        self.bed.clear();
        let hold = self.hold(20).await;
        assert_eq!(self.fail(1, &hold, MINUTE).await, Written::NotOurs);
        self.decide(&ask(1)).await;
        assert_eq!(self.fail(2, &hold, MINUTE).await, Written::NotOurs);
        assert!(!self.is_there(&self.names.hold) && self.is_there(&self.names.lock));
        assert_eq!(self.fail(1, &hold, MINUTE).await, Written::Done);
        assert!(!self.is_there(&self.names.lock));
        self.near(self.left(&self.names.hold), MINUTE);
        match self.decide(&ask(2)).await {
            What::Hold { entry, left } => {
                assert_eq!(entry, hold);
                self.near(Some(left), Duration::from_secs(20));
            }
            other => panic!("{other:?}"),
        }

        // Over, or so far ahead that the clock must have been set back.
        for until in [-1, 331] {
            let before = self.hold(until).await;
            let value = Value::Text(before.clone());
            self.bed.clear();
            self.bed.put(&self.names.hold, value, Some(MINUTE));
            let exchange = What::Exchange { before };
            assert_eq!(self.decide(&ask(1)).await, exchange, "{until}");
        }

        // One that concerns nobody else frees the lock and says nothing.
        self.bed.clear();
        self.decide(&ask(1)).await;
        assert_eq!(self.fail(1, &[], MINUTE).await, Written::Done);
        assert!(!self.is_there(&self.names.lock) && !self.is_there(&self.names.hold));
    }

    pub(super) async fn a_lock_lasts_a_lease(&self) {
        self.bed.clear();
        assert_eq!(self.extend(1).await, Written::NotOurs);
        self.decide(&ask(1)).await;
        assert_eq!(self.extend(2).await, Written::NotOurs);
        let value = Value::Text(ask(1).lock.0);
        let short = Duration::from_millis(1500);
        for left in [None, Some(short)] {
            if left.is_some_and(|left| left < self.bed.slack()) {
                continue;
            }
            self.bed.put(&self.names.lock, value.clone(), left);
            assert_eq!(self.extend(1).await, Written::Done);
            self.near(self.left(&self.names.lock), LEASE);
        }
        // Those of ghosts end, too; those that are extended regularly do not.
        for (left, after) in [
            (None, LEASE),
            (Some(60 * MINUTE), LEASE),
            (Some(short), short),
        ] {
            if after < self.bed.slack() {
                continue;
            }
            self.bed.put(&self.names.lock, value.clone(), left);
            let lock = ask(1).lock.0;
            assert_eq!(self.decide(&ask(2)).await, What::Wait { lock });
            self.near(self.left(&self.names.lock), after);
        }
    }

    pub(super) async fn what_is_not_ours_is_passed_over(&self) {
        let mut later = token(1, 1);
        later[0] = 2;
        let short = token(1, 1)[..TOKEN_ENTRY.start() - 1].to_vec();
        let mut long = token(1, 1);
        long.resize(TOKEN_ENTRY.end() + 1, 0);
        let values = [
            Value::Foreign,
            Value::Text(vec![]),
            Value::Text(b"\x01".to_vec()),
            Value::Text(later),
            Value::Text(short),
            Value::Text(long),
            Value::Text(vec![b'x'; 31]),
            Value::Text(vec![1; 10_000_000]),
        ];
        let names = &self.names;
        for name in [&names.token, &names.hold, &names.lock, &names.rejections] {
            for value in &values {
                self.bed.clear();
                self.bed.put(name, value.clone(), None);
                let mut asking = ask(1);
                asking.renewal = Renewal::Rejected;
                let what = self.decide(&asking).await;
                let what_is_not = format!("{:.40}", format!("{value:?}"));
                let is_exchange = matches!(what, What::Exchange { .. });
                assert!(is_exchange, "{name}: {what_is_not}");
                self.near(self.left(&names.lock), LEASE);
                let hold = self.hold(20).await;
                assert_eq!(self.fail(1, &hold, MINUTE).await, Written::Done);
                self.near(self.left(&names.hold), MINUTE);
            }
        }
    }

    pub(super) async fn what_was_unreadable_is_passed_over(&self) {
        self.bed.clear();
        let unreadable = Unreadable {
            token: token(1, 1)[..37].to_vec(),
            hold: self.hold(20).await[..28].to_vec(),
            lock: ask(7).lock.0,
        };
        let hold = [unreadable.hold.clone(), vec![0; 32]].concat();
        let names = &self.names;
        for (name, value) in [
            (&names.token, token(1, 1)),
            (&names.hold, hold),
            (&names.lock, unreadable.lock.clone()),
        ] {
            self.bed.put(name, Value::Text(value), Some(MINUTE));
        }
        let mut asking = ask(1);
        assert!(matches!(self.decide(&asking).await, What::Token { .. }));
        asking.unreadable.token = unreadable.token;
        assert!(matches!(self.decide(&asking).await, What::Hold { .. }));
        asking.unreadable.hold = unreadable.hold;
        assert!(matches!(self.decide(&asking).await, What::Wait { .. }));
        asking.unreadable.lock = unreadable.lock;
        let nothing = What::Exchange { before: vec![] };
        assert_eq!(self.decide(&asking).await, nothing);
        // What another has stored since is read.
        assert_eq!(self.publish(1, &token(1, 2), MINUTE).await, Written::Done);
        assert!(matches!(self.decide(&asking).await, What::Token { .. }));
    }
}
