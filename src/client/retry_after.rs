//! `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, Instant, SystemTime};

use http::header::{HeaderMap, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::time::{DAY, now};

/// When the server wants to be asked again, where that is still to come. What
/// is no number of seconds and no date is ignored.
pub(super) fn read(status: StatusCode, headers: &HeaderMap) -> Option<Instant> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let text = headers.get(RETRY_AFTER).map(HeaderValue::to_str)?.ok()?;
    let wait = parse(text.trim_ascii())?.min(DAY);
    if wait.is_zero() {
        return None;
    }
    now().checked_add(wait)
}

fn parse(text: &str) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only too many digits can fail.
        return Some(text.parse().map_or(DAY, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(SystemTime::now()).ok()
}
