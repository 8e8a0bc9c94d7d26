//! A request that can't wait any longer for the renewal of a suspect token goes
//! out with that token.
//!
//! Mutations caught: it fails in any of these cases; it waits anew with nothing
//! left of its budget, which never ends.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::cache::core::{Ask, Ending, Step};
use crate::cache::wait::Budget;
use crate::{BoxError, Credentials, Error, FiskilAuthLayer, Token, TokenRequest};

/// A layer whose first token takes so long, and any other one for ever.
fn layer(first: Duration) -> FiskilAuthLayer {
    let exchanges = std::sync::Arc::new(AtomicU32::new(0));
    let service = service_fn(move |_: TokenRequest| {
        let number = exchanges.fetch_add(1, Ordering::Relaxed);
        async move {
            match number {
                0 => sleep(first).await,
                _ => std::future::pending().await,
            }
            Ok::<_, BoxError>(Token::new("dead", 900 * SECOND)?)
        }
    });
    FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), service)
}

/// Sends a request to an API that rejects every token. Returns the status, and
/// how long it took.
async fn send(layer: &FiskilAuthLayer) -> (StatusCode, Duration) {
    let start = Instant::now();
    let mut api = layer.layer(service_fn(async |_: Request<()>| {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Ok::<_, Infallible>(response)
    }));
    let response = api.ready().await.unwrap().call(Request::new(()));
    let response = response.await.unwrap();
    if let Some(error) = response.extensions().get::<Error>() {
        panic!("not sent: {error}");
    }
    (response.status(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_time_is_up_is_sent_with_the_suspect_token() {
    let layer = layer(9 * SECOND + SECOND / 2);
    let (one, other) = tokio::join!(send(&layer), send(&layer));
    // Whichever is woken first is rejected before the other one, which waits for
    // the same fetch, has seen its end.
    let (soon, late) = if one.1 < other.1 {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(soon, (StatusCode::UNAUTHORIZED, 9 * SECOND + SECOND / 2));
    assert_eq!(late, (StatusCode::UNAUTHORIZED, 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_renewals_are_all_lost_is_sent_with_the_suspect_token() {
    let layer = layer(Duration::ZERO);
    send(&layer).await;
    let cache = layer.tokens();
    let lose = async {
        for _ in 0..4 {
            tokio::task::yield_now().await;
            if let Step::Join { flight, .. } = cache.shared.step(Ask::Refresh) {
                flight.abort();
            }
            sleep(SECOND / 100).await;
        }
    };
    let ((status, took), ()) = tokio::join!(send(&layer), lose);
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(took < SECOND / 10, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_woken_by_a_failure_is_sent_with_the_token_that_is_suspect_again() {
    let layer = layer(Duration::ZERO);
    send(&layer).await;
    let cache = layer.tokens();
    let mut wait = cache.wait(Budget::MAX);
    assert!((&mut wait).now_or_never().is_none());
    let Step::Join { flight, .. } = cache.shared.step(Ask::Refresh) else {
        panic!("no renewal is under way");
    };
    // The same token comes again, is cleared and rejected once more, before the
    // request gets to see the end of the renewal that it waits for.
    let usable = cache.shared.in_use().unwrap();
    let again = Ending::Token(usable.token.clone(), cache.shared.clock.now());
    cache.shared.complete(&flight, again);
    cache.mark(&usable).accept();
    cache.mark(&usable).reject();
    let sent = (&mut wait).now_or_never().unwrap().unwrap();
    assert_eq!(sent.generation, usable.generation);
}

const SECOND: Duration = Duration::from_secs(1);
