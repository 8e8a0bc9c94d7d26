//! What an operator sees: the events of a fetch, in a span of their own, and
//! those of a suspect token.

use std::time::Duration;

use http::StatusCode;
use tracing::{Span, error, error_span, field::Empty, info, warn};

use super::core::{Outcome, Reason, Snapshot};
use crate::Error;
use crate::source::Source;
use crate::time::seconds;

/// One fetch, at its end.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) reason: Reason,
    /// From its start, credentials provider included.
    pub(super) took: Duration,
    /// The token's, where there is one.
    pub(super) lifetime: Option<Duration>,
    /// Where it came from, likewise.
    pub(super) source: Option<Source>,
    /// The token's, where there is one, or that of the one before.
    pub(super) generation: u32,
}

impl Report {
    /// Emits the event. `outcome` is `None` where the fetch had been given up
    /// before it ended.
    pub(super) fn emit(self, outcome: Option<&Outcome<Error>>) {
        let duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let generation = self.generation;
        match outcome {
            Some(Outcome::Token) => {
                let lifetime_s = self.lifetime.map(|lifetime| lifetime.as_secs());
                let reason = name(self.reason);
                let source = self.source.map(Source::name);
                info!(
                    target: TARGET, reason, source, duration_ms, lifetime_s, generation,
                    "token fetched"
                );
            }
            Some(Outcome::Failed(failure)) => failed(failure, &self, duration_ms),
            Some(Outcome::Lost) => {
                warn!(target: TARGET, duration_ms, generation, "token fetch lost its runtime");
            }
            None => warn!(target: TARGET, duration_ms, generation, "token fetch ended too late"),
        }
    }
}

/// The span of all events of one fetch. Its level is that of the most severe of
/// them, so that it is there with any. It follows from the span of the request that
/// starts the fetch and is not inside it: that request may be over before.
pub(super) fn span(reason: Reason) -> Span {
    let reason = name(reason);
    let span = error_span!(
        target: TARGET, parent: None, "token fetch", reason, client_id = Empty, endpoint = Empty
    );
    span.follows_from(Span::current());
    span
}

/// A failure that may pass by itself is a warning, one that needs somebody is
/// an error.
fn failed(failure: &Error, report: &Report, duration_ms: u64) {
    let (generation, reason) = (report.generation, name(report.reason));
    let kind = failure.kind();
    let status = failure.status().as_ref().map(StatusCode::as_u16);
    let (error_id, error_name) = (failure.error_id(), failure.error_name());
    let cause = failure.cause();
    let retry_after_s = failure.retry_after().map(seconds);
    if failure.is_transient() {
        warn!(
            target: TARGET, reason, duration_ms, generation, ?kind, status, error_id, error_name,
            retry_after_s, error = %failure, cause, "token fetch failed"
        );
    } else {
        error!(
            target: TARGET, reason, duration_ms, generation, ?kind, status, error_id, error_name,
            retry_after_s, error = %failure, cause, "token fetch failed"
        );
    }
}

/// The API rejected the token in use, for the first time.
pub(super) fn rejected(snapshot: &Snapshot<Error>, age: Duration) {
    let (generation, age_s) = (snapshot.generation, age.as_secs());
    let renewal_in_s = snapshot.refresh_in.map(seconds);
    warn!(target: TARGET, generation, age_s, renewal_in_s, "token rejected");
}

/// The API accepted the token that it had rejected.
pub(super) fn cleared(generation: u32) {
    info!(target: TARGET, generation, "token cleared");
}

fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::First => "first",
        Reason::Refresh => "refresh",
        Reason::Expired => "expired",
        Reason::Rejected => "rejected",
        Reason::Invalidated => "invalidated",
        Reason::Forced => "forced",
    }
}

const TARGET: &str = "fiskil_auth";
