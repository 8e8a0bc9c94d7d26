//! The case of the budget for rejections.

use std::time::Duration;

use super::{Case, MINUTE, ask};
use crate::shared_tokens::memory::Value;
use crate::shared_tokens::protocol::{Renewal, What};

impl Case<'_> {
    pub(super) async fn rejections_have_a_budget(&self) {
        self.bed.clear();
        let mut asking = ask(1);
        asking.renewal = Renewal::Rejected;
        for _ in 0..3 {
            // Twice: an answer that was lost is not paid for again.
            for _ in 0..2 {
                let what = self.decide(&asking).await;
                assert!(matches!(what, What::Exchange { .. }), "{what:?}");
            }
            self.fail(1, &[], MINUTE).await;
        }
        self.near(self.left(&self.names.rejections), 15 * MINUTE);
        let second = Duration::from_secs(1);
        assert_eq!(self.decide(&asking).await, What::Spaced { left: second });
        // Where the renewal is not for a rejection, that is of no concern.
        let what = self.decide(&ask(1)).await;
        assert!(matches!(what, What::Exchange { .. }), "{what:?}");
        self.fail(1, &[], MINUTE).await;
        self.near(self.left(&self.names.rejections), 15 * MINUTE);

        // Nor where the one before has failed: it has paid.
        let hold = self.hold(-1).await;
        let value = Value::Text(hold.clone());
        self.bed.put(&self.names.hold, value, Some(MINUTE));
        let exchange = What::Exchange { before: hold };
        assert_eq!(self.decide(&asking).await, exchange);
        self.fail(1, &[], MINUTE).await;
        self.near(self.left(&self.names.rejections), 15 * MINUTE);

        // Paid off at, and the last one at, in seconds from now, and the wait.
        for (paid, last, wait) in [
            (599, 0, None),
            (601, 0, Some(1)),
            (601, -2, None),
            (901, 0, Some(2)),
            (1201, 0, Some(4)),
            (1501, 0, Some(8)),
            (1801, 0, Some(16)),
            (2101, 0, Some(24)),
            (2699, 0, Some(24)),
            (2699, -25, None),
            // No such budget can be.
            (2800, 0, None),
            (900, 2, None),
        ] {
            // Half of it tells one step from the next.
            let slack = self.bed.slack();
            if wait.is_some_and(|wait| Duration::from_secs(wait) / 4 < slack) {
                continue;
            }
            self.bed.clear();
            let now = self.now().await.0;
            let at = |seconds: i64| now.saturating_add_signed(seconds * 1000);
            let budget = format!("{} {}", at(paid), at(last));
            let value = Value::Text(budget.into_bytes());
            self.bed.put(&self.names.rejections, value, Some(MINUTE));
            asking.renewal = Renewal::RejectedStill;
            match (self.decide(&asking).await, wait) {
                (What::Spaced { left }, Some(wait)) => {
                    self.near(Some(left), Duration::from_secs(wait));
                }
                (What::Exchange { .. }, None) => {}
                (other, _) => panic!("{paid} {last}: {other:?}"),
            }
        }
    }
}
