//! Any `Retry-After`: what is a number of seconds or a date counts, up to a day.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::{Credentials, TokenClient, TokenRequest};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};

const DAY: u64 = 86_400;

/// The input: the header's value.
pub(crate) fn check(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    for status in [429, 503, 500] {
        let answer = Response::builder()
            .status(status)
            .header("retry-after", &value)
            .body(Full::<Bytes>::default())
            .unwrap();
        let mut answer = Some(answer);
        let http = service_fn(move |_: Request<Full<Bytes>>| {
            let answer = answer.take().unwrap();
            async { Ok::<_, Infallible>(answer) }
        });
        let request = TokenRequest::new(Credentials::new("id", "secret"));
        let outcome = TokenClient::new(http)
            .oneshot(request)
            .now_or_never()
            .unwrap();
        let wait = outcome.unwrap_err().retry_after();

        let text = std::str::from_utf8(data).unwrap_or_default().trim_ascii();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if status == 500 {
            assert_eq!(wait, None);
        } else if is_number {
            // By its digits: there may be more than any number has.
            let digits = text.trim_start_matches('0');
            let seconds = match digits.len() {
                0 => 0,
                1..=5 => digits.parse::<u64>().unwrap().min(DAY),
                _ => DAY,
            };
            // A little of it has passed.
            let wait = wait.unwrap_or_default();
            let longest = Duration::from_secs(seconds);
            assert!(
                wait <= longest && wait + Duration::from_secs(1) >= longest,
                "{text}"
            );
        } else if let Some(wait) = wait {
            // A date has a name of a day in it, at least.
            assert!(
                wait <= Duration::from_secs(DAY) && text.len() > 20,
                "{text}"
            );
        }
    }
}
