//! The token service: answers as it was told to, and tells the monitor.

use tokio::time::{Instant, sleep};

use super::Answer;
use super::monitor::failure;
use super::world::{World, number, span, token};
use crate::{BoxError, Error, ErrorKind, Token, TokenRequest};

impl World {
    pub(super) async fn exchange(self, request: TokenRequest) -> Result<Token, BoxError> {
        let (number, answer, value) = self.exchange_starts(&request);
        let _under_way = UnderWay(&self, number);
        let is_again = self.state().monitor.is_fetching_again();
        let wait = |ms| if is_again { 0 } else { ms };
        match answer {
            Answer::Issues(latency, lifetime) | Answer::Repeats(_, latency, lifetime) => {
                sleep(span(wait(latency))).await;
                self.told(|monitor| monitor.exchange_brings(value, lifetime));
                Ok(token(value, lifetime))
            }
            Answer::Errs(latency) => {
                sleep(span(wait(latency))).await;
                self.told(|monitor| monitor.exchange_fails(0, ErrorKind::TokenService));
                Err(failure(number).into())
            }
            Answer::ErrsUntil(wait) => {
                self.told(|monitor| monitor.exchange_fails(wait, ErrorKind::Unavailable));
                let until = Instant::now() + span(wait);
                let error = Error::new(ErrorKind::Unavailable, "down");
                Err(error.with_retry_at(Some(until.into_std())).into())
            }
            Answer::Hangs => std::future::pending().await,
        }
    }

    /// Returns the exchange's number, how it is answered, and with which token.
    fn exchange_starts(&self, request: &TokenRequest) -> (u32, Answer, u32) {
        let named = |token: &Option<Token>| token.as_ref().map(|token| number(token.value()));
        let (rejected, held) = (named(&request.rejected), named(&request.held));
        let exchange = self.told(|monitor| monitor.exchange_starts(rejected, held));
        let is_latest = request.credentials.client_id() == self.client_id();
        let mut state = self.state();
        if !is_latest {
            let broken = &mut state.monitor.broken;
            broken.get_or_insert_with(|| "the latest credentials are used".to_owned());
        }
        let value = match state.answer {
            Answer::Issues(..) => {
                state.issued += 1;
                state.issued
            }
            Answer::Repeats(back, ..) => state.issued.saturating_sub(back),
            _ => 0,
        };
        (exchange, state.answer, value)
    }
}

/// Tells the monitor where an exchange is dropped. Of one that has ended it knows
/// already.
struct UnderWay<'a>(&'a World, u32);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.told(|monitor| monitor.exchange_is_dropped(self.1));
    }
}
