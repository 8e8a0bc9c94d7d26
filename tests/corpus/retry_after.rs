//! Any `Retry-After`: a number of seconds or a date counts, up to a day.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::{Credentials, TokenClient, TokenRequest, TokenRequestBody};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower::{ServiceExt, service_fn};

const DAY: u64 = 86_400;

/// Dates that are far away for all who run this, in two of the three forms.
const FAR: [&str; 2] = ["Wed, 21 Oct 2099 07:28:00 GMT", "Wed Oct 21 07:28:00 2099"];

thread_local! {
    /// Its clock stands still, so that no part of a wait passes.
    static STOPPED: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
}

/// The input: a byte that chooses the status, and the header's value.
pub(crate) fn check(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let status = [429, 503, 500, 401][usize::from(choice % 4)];
    let answer = Response::builder()
        .status(status)
        .header("retry-after", &value)
        .body(Full::<Bytes>::default())
        .unwrap();
    let mut answer = Some(answer);
    let http = service_fn(move |_: Request<TokenRequestBody>| {
        let answer = answer.take().unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let request = TokenRequest::new(Credentials::new("id", "secret"));
    let wait = STOPPED.with(|runtime| {
        let _guard = runtime.enter();
        let outcome = TokenClient::new(http).oneshot(request).now_or_never();
        outcome.unwrap().unwrap_err().retry_after()
    });
    check_wait(
        status,
        std::str::from_utf8(data).unwrap_or_default().trim_ascii(),
        wait,
    );
}

fn check_wait(status: u16, text: &str, wait: Option<Duration>) {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if status != 429 && status != 503 {
        assert_eq!(wait, None);
    } else if is_number {
        // By its digits, as it may be too large for any integer.
        let digits = text.trim_start_matches('0');
        let expected = match digits.len() {
            // Zero is no wait.
            0 => None,
            1..=5 => Some(digits.parse::<u64>().unwrap().min(DAY)),
            _ => Some(DAY),
        };
        assert_eq!(wait, expected.map(Duration::from_secs), "{text}");
    } else if FAR.contains(&text) {
        assert_eq!(wait, Some(Duration::from_secs(DAY)), "{text}");
    } else if let Some(wait) = wait {
        // Every form of date is longer than 20 characters.
        assert!(
            wait <= Duration::from_secs(DAY) && text.len() > 20,
            "{text}"
        );
    }
}
