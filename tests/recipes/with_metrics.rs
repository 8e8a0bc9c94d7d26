//! The recipe for the `metrics` crate, as the page "Watching it" has it.

use fiskil_auth::TokenCache;
use metrics::{counter, gauge};

pub fn record(tokens: &TokenCache) {
    let status = tokens.status();
    let expires_in = status.expires_in.unwrap_or_default();
    counter!("fiskil_token_fetches_total").absolute(status.fetches);
    counter!("fiskil_token_exchanges_total").absolute(status.exchanges);
    counter!("fiskil_token_fetch_failures_total").absolute(status.failures);
    counter!("fiskil_token_rejections_total").absolute(status.rejections);
    gauge!("fiskil_token_expires_in_seconds").set(expires_in.as_secs_f64());
    gauge!("fiskil_token_suspect").set(f64::from(u8::from(status.suspect)));
    gauge!("fiskil_token_pending_requests").set(status.waiting as f64);
}
