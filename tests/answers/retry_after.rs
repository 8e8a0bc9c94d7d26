//! `Retry-After`: when it counts, and for how long.

use std::time::{Duration, SystemTime};

use fiskil_auth::Error;
use http::Response;

use crate::exchange;

#[tokio::test(start_paused = true)]
async fn retry_after_counts_on_429_and_503() {
    let day = 24 * 60 * 60;
    for (value, wait) in [
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("007", Some(7)),
        ("86400", Some(day)),
        ("86401", Some(day)),
        ("18446744073709551615", Some(day)),
        ("99999999999999999999999999999", Some(day)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(day)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("0", None),
        ("", None),
        ("-7", None),
        ("+7", None),
        ("7.5", None),
        ("7s", None),
        ("soon", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("\u{e9}", None),
    ] {
        for status in [429, 503] {
            let error = limited(status, value).await;
            let wait = wait.map(Duration::from_secs);
            assert_eq!(error.retry_after(), wait, "{status} {value}");
            assert!(error.is_transient());
        }
        for status in [301, 400, 401, 408, 425, 500, 502, 504] {
            assert_eq!(limited(status, value).await.retry_after(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_may_be_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1000));
    let left = limited(429, &date).await.retry_after().unwrap();
    // The wall clock isn't paused, and the date has whole seconds.
    assert!((900..=1000).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_what_is_left() {
    let error = limited(503, "7").await;
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(error.retry_after(), None);
}

async fn limited(status: u16, retry_after: &str) -> Error {
    let response = Response::builder()
        .status(status)
        .header("retry-after", retry_after.as_bytes())
        .body("");
    exchange(response.unwrap()).await.unwrap_err()
}
