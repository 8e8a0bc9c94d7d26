//! A wall clock that jumps while an exchange runs, as it does where a machine is
//! suspended: the token that comes then has expired, but the next one has not.
//!
//! And what counts as an exchange.
//!
//! Mutations caught: no second exchange; one more each time that the clock jumps;
//! one for a token that had expired by itself, or that outlives the jump; an exchange
//! that is not counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower::service_fn;

use super::super::TokenCache;
use crate::{Credentials, Error, ErrorKind, Token, TokenRequest};

/// How far the wall clock jumps during each exchange, in order and in seconds;
/// not at all in further ones.
type Jumps = &'static [i64];

/// A cache whose exchanges take a second, and the number of those that it made.
fn cache(lifetime: u64, jumps: Jumps) -> (TokenCache, Arc<Mutex<usize>>) {
    let exchanges = Arc::new(Mutex::new(0));
    let clock = Arc::new(Mutex::new(None));
    let (count, clocks) = (exchanges.clone(), clock.clone());
    let service = service_fn(move |_: TokenRequest| {
        let (count, clocks) = (count.clone(), clocks.clone());
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut count = count.lock().unwrap();
            let jump = jumps.get(*count).copied().unwrap_or_default();
            *count += 1;
            let clock: Option<super::Clock> = clocks.lock().unwrap().clone();
            let clock = clock.unwrap();
            let mut shift = clock.wall_shift.lock().unwrap();
            let span = Duration::from_secs(jump.unsigned_abs());
            match jump < 0 {
                true => shift.back += span,
                false => shift.forward += span,
            }
            Token::new(format!("t{count}"), Duration::from_secs(lifetime))
        }
    });
    let cache = TokenCache::new(Credentials::new("id", "secret"), service);
    *clock.lock().unwrap() = Some(cache.shared.clock.clone());
    (cache, exchanges)
}

/// What the first fetch came to, and how many exchanges it took.
async fn fetch(lifetime: u64, jumps: Jumps) -> (Result<String, ErrorKind>, usize) {
    let (cache, exchanges) = cache(lifetime, jumps);
    let token: Result<Token, Error> = cache.token().await;
    assert_eq!(cache.status().fetches, 1);
    let value = token.map(|token| token.value().to_owned());
    let exchanges = *exchanges.lock().unwrap();
    assert_eq!(usize::try_from(cache.status().exchanges), Ok(exchanges));
    (value.map_err(|error| error.kind()), exchanges)
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_jump_of_the_clock_let_expire_is_asked_for_once_more_at_once() {
    let (value, exchanges) = fetch(900, &[3600]).await;
    assert_eq!((value, exchanges), (Ok("t2".to_owned()), 2));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_each_time_costs_one_more_exchange_and_not_a_third() {
    let (value, exchanges) = fetch(900, &[3600, 3600, 3600]).await;
    assert_eq!((value, exchanges), (Err(ErrorKind::InvalidToken), 2));
}

#[tokio::test(start_paused = true)]
async fn a_jump_that_the_token_outlives_or_one_back_costs_nothing() {
    // 500 s are not as far as the earliest refresh point.
    for jump in [&[500_i64] as Jumps, &[-3600], &[]] {
        let (value, exchanges) = fetch(900, jump).await;
        assert_eq!((value, exchanges), (Ok("t1".to_owned()), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_without_a_jump_is_not_asked_for_again() {
    for (lifetime, jumps) in [(0, &[] as Jumps), (1, &[]), (1, &[3600])] {
        let (value, exchanges) = fetch(lifetime, jumps).await;
        assert_eq!((value, exchanges), (Err(ErrorKind::InvalidToken), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_given_up_is_counted_too() {
    let service = service_fn(|_: TokenRequest| std::future::pending::<Result<Token, Error>>());
    let cache = TokenCache::new(Credentials::new("id", "secret"), service);
    let error = cache.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // Its task is dropped by the runtime, a moment later.
    tokio::task::yield_now().await;
    assert_eq!(cache.status().exchanges, 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_in_the_background_gets_over_a_jump_as_well() {
    let (cache, exchanges) = cache(900, &[0, 3600]);
    cache.token().await.unwrap();
    let renewed = cache.refresh().await.unwrap();
    assert_eq!((renewed.value(), *exchanges.lock().unwrap()), ("t3", 3));
    assert_eq!(cache.status().failures, 0);
}
