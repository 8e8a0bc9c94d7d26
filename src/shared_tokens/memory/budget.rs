//! The budget for renewals that rejections ask for, as the script keeps it.

use std::time::Duration;

use crate::shared_tokens::protocol::{
    MAX_DEBT, REJECTION_BURST, REJECTION_PERIOD, Renewal, StoreTime, millis, step,
};

/// The time from now on until a renewal may start that a rejection asks for.
/// `paid` is the budget: the instant at which all so far are paid off, and
/// `last` when the last one started.
pub(super) fn rejection_wait(
    renewal: Renewal,
    paid: StoreTime,
    last: StoreTime,
    now: StoreTime,
) -> Duration {
    let credit = REJECTION_PERIOD.saturating_mul(REJECTION_BURST - 1);
    let debt = paid.since(now).saturating_sub(credit);
    match renewal {
        Renewal::Due => Duration::ZERO,
        _ if debt.is_zero() => Duration::ZERO,
        Renewal::Rejected => step(0),
        Renewal::RejectedStill => {
            let periods = millis(debt).div_ceil(millis(REJECTION_PERIOD));
            let steps = usize::try_from(periods).unwrap_or(usize::MAX);
            last.after(step(steps.saturating_sub(1))).since(now)
        }
    }
}

/// The budget after one more renewal.
pub(super) fn pay(paid: StoreTime, now: StoreTime) -> StoreTime {
    let most = now.after(REJECTION_PERIOD.saturating_mul(MAX_DEBT));
    paid.max(now).after(REJECTION_PERIOD).min(most)
}

/// What a budget that is found is taken for, since anyone may have written it,
/// and the store's clock may have been set back.
pub(super) fn plausible(paid: StoreTime, last: StoreTime, now: StoreTime) -> bool {
    last <= now && paid <= now.after(REJECTION_PERIOD.saturating_mul(MAX_DEBT))
}
