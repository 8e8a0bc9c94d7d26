//! How often one exchange is attempted, and the wait in between.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Sleep, sleep};
use tower::retry::Policy;

use crate::{Error, Token, TokenRequest};

/// Up to three attempts, as long as the failure is transient. What lasts
/// longer is left to the spacing of whole fetches.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    failed: u32,
}

impl Policy<TokenRequest, Token, Error> for Attempts {
    type Future = Sleep;

    fn retry(
        &mut self,
        _: &mut TokenRequest,
        result: &mut Result<Token, Error>,
    ) -> Option<Self::Future> {
        let error = result.as_ref().err().filter(|error| error.is_transient())?;
        // Whoever is told that there are too many must not send more at once.
        let limited = error.status() == Some(StatusCode::TOO_MANY_REQUESTS);
        if limited && error.retry_after().is_none() {
            return None;
        }
        let backoff = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(self.failed))
            .mul_f64(1.0 + fastrand::f64() / 2.0);
        self.failed = self.failed.saturating_add(1);
        let wait = error.retry_after().unwrap_or(backoff);
        (self.failed < ATTEMPTS && wait <= LONGEST_WAIT).then(|| sleep(wait))
    }

    fn clone_request(&mut self, request: &TokenRequest) -> Option<TokenRequest> {
        Some(request.clone())
    }
}

/// One lost connection, and the reconnection lost as well.
const ATTEMPTS: u32 = 3;

/// Doubles with every attempt, and up to half as much is added by chance.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Two such waits leave most of a fetch's ten seconds to the attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic
    )]

    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;
    use tower::retry::Retry;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{Credentials, ErrorKind};

    #[tokio::test(start_paused = true)]
    async fn a_transient_failure_is_attempted_three_times_with_growing_waits() {
        for _ in 0..50 {
            let (outcome, times) = run(|_| Err(Error::new(ErrorKind::Unavailable, "down"))).await;
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
            let [first, second, third] = times[..] else {
                panic!("{times:?}");
            };
            assert!((200..=301).contains(&(second - first).as_millis()));
            assert!((400..=601).contains(&(third - second).as_millis()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_waits_differ() {
        let mut waits = Vec::new();
        for _ in 0..50 {
            let (_, times) = run(|_| Err(Error::new(ErrorKind::Unavailable, "down"))).await;
            waits.push(times[1] - times[0]);
        }
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 10, "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_succeeds_ends_it() {
        let (outcome, times) = run(|attempt| match attempt {
            1 => Err(Error::new(ErrorKind::Unavailable, "down")),
            _ => Token::new("token", Duration::from_secs(900)),
        })
        .await;
        assert!(outcome.is_ok());
        assert_eq!(times.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_not_attempted_again() {
        let (outcome, times) = run(|_| Err(Error::new(ErrorKind::Refused, "no"))).await;
        assert!(outcome.is_err());
        assert_eq!(times.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_retry_after_is_waited_out() {
        let (_, times) = run(|_| Err(come_back_after(Duration::from_secs(2)))).await;
        let [first, second, third] = times[..] else {
            panic!("{times:?}");
        };
        assert_eq!((second - first).as_millis(), 2000);
        assert_eq!((third - second).as_millis(), 2000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_retry_after_ends_the_attempts() {
        let (outcome, times) = run(|_| Err(come_back_after(Duration::from_millis(2001)))).await;
        assert_eq!(times.len(), 1);
        assert!(outcome.unwrap_err().retry_after().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_ends_the_attempts_unless_it_says_when_to_come_back() {
        let limited = |error: Error| error.with_answer(StatusCode::TOO_MANY_REQUESTS, None, None);
        let (_, times) = run(|_| Err(limited(Error::new(ErrorKind::Unavailable, "busy")))).await;
        assert_eq!(times.len(), 1);
        let (_, times) = run(|_| Err(limited(come_back_after(Duration::from_secs(1))))).await;
        assert_eq!(times.len(), 3);
    }

    fn come_back_after(wait: Duration) -> Error {
        let at = Instant::now().into_std() + wait;
        Error::new(ErrorKind::Unavailable, "busy").with_retry_at(Some(at))
    }

    /// The outcome of one exchange, and when its attempts were made.
    async fn run(
        answer: impl Fn(usize) -> Result<Token, Error>,
    ) -> (Result<Token, Error>, Vec<Instant>) {
        let times = Arc::new(Mutex::new(Vec::new()));
        let answer = &answer;
        let service = service_fn(|_: TokenRequest| {
            let times = Arc::clone(&times);
            async move {
                let mut times = times.lock().unwrap();
                times.push(Instant::now());
                answer(times.len())
            }
        });
        let request = TokenRequest::new(Credentials::new("id", "secret"));
        let outcome = Retry::new(Attempts::default(), service)
            .oneshot(request)
            .await;
        let times = times.lock().unwrap().clone();
        (outcome, times)
    }
}
