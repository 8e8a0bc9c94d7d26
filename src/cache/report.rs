//! What an operator sees of an exchange: one tracing event.

use std::time::Duration;

use http::StatusCode;
use tracing::{error, info, warn};

use super::flight::Landing;
use crate::Error;

/// One exchange, at its end.
#[derive(Debug)]
pub(super) struct Report {
    /// From its start, credentials provider included.
    pub(super) took: Duration,
    /// The token's, where there is one.
    pub(super) lifetime: Option<Duration>,
    /// The token's, where there is one, or that of the one before.
    pub(super) generation: u64,
}

impl Report {
    /// That of an exchange which brought no token.
    pub(super) fn new(took: Duration, generation: u64) -> Self {
        Self {
            took,
            lifetime: None,
            generation,
        }
    }

    /// Emits the event. `landing` is `None` where the exchange had been given
    /// up before it ended.
    pub(super) fn emit(self, landing: Option<&Landing>) {
        let duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let generation = self.generation;
        match landing {
            Some(Landing::Token) => {
                let lifetime_s = self.lifetime.unwrap_or_default().as_secs_f64();
                info!(target: TARGET, duration_ms, lifetime_s, generation, "token fetched");
            }
            Some(Landing::Failed(failure)) => failed(failure, duration_ms, generation),
            Some(Landing::Lost) => {
                warn!(target: TARGET, duration_ms, generation, "token exchange lost its runtime");
            }
            None => warn!(target: TARGET, duration_ms, generation, "token exchange came too late"),
        }
    }
}

/// A failure that may pass by itself is a warning, one that needs somebody is
/// an error.
fn failed(failure: &Error, duration_ms: u64, generation: u64) {
    let kind = failure.kind();
    let status = failure.status().as_ref().map(StatusCode::as_u16);
    let (error_id, error_name) = (failure.error_id(), failure.error_name());
    let cause = failure.cause();
    let retry_after_s = failure.retry_after().map(|left| left.as_secs_f64());
    if failure.is_transient() {
        warn!(
            target: TARGET, duration_ms, generation, ?kind, status, error_id, error_name,
            retry_after_s, error = %failure, cause, "token exchange failed"
        );
    } else {
        error!(
            target: TARGET, duration_ms, generation, ?kind, status, error_id, error_name,
            retry_after_s, error = %failure, cause, "token exchange failed"
        );
    }
}

const TARGET: &str = "fiskil_auth";
