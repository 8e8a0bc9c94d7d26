//! Layers that send a request more than once.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fiskil_auth::retry::RetryUnauthorized;
use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::hedge::Hedge;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{RetryServerErrors, Tokens, carried, layer};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request<()> {
    Request::new(())
}

type Seen = Arc<Mutex<Vec<String>>>;

/// An API that answers with the given statuses in turn, and then with 200.
fn scripted(
    statuses: &'static [u16],
) -> (
    impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    Seen,
) {
    let seen = Seen::default();
    let kept = seen.clone();
    let api = service_fn(move |request: Request<()>| {
        let mut seen = kept.lock().unwrap();
        let status = statuses.get(seen.len()).copied().unwrap_or(200);
        seen.push(carried(request.headers()));
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        ready(Ok(response))
    });
    (api, seen)
}

#[tokio::test(start_paused = true)]
async fn retry_unauthorized_and_a_policy_of_ones_own_work_in_both_orders() {
    const STATUSES: &[u16] = &[500, 401, 503, 200];
    let (tokens, (api, seen)) = (Tokens::new(), scripted(STATUSES));
    let service = ServiceBuilder::new()
        .retry(RetryServerErrors(2))
        .retry(RetryUnauthorized::new())
        .layer(layer(&tokens))
        .service(api);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*seen.lock().unwrap(), ["t1", "t1", "t2", "t2"]);

    let (tokens, (api, seen)) = (Tokens::new(), scripted(STATUSES));
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new())
        .retry(RetryServerErrors(2))
        .layer(layer(&tokens))
        .service(api);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*seen.lock().unwrap(), ["t1", "t1", "t2", "t2"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_beneath_the_layer_repeats_the_same_token_and_never_a_401() {
    let (tokens, (api, seen)) = (Tokens::new(), scripted(&[500, 500, 401]));
    let service = ServiceBuilder::new()
        .layer(layer(&tokens))
        .retry(RetryUnauthorized::new())
        .retry(RetryServerErrors(2))
        .service(api);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(*seen.lock().unwrap(), ["t1", "t1", "t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_5xx_above_the_layer_spends_its_attempts_on_a_missing_token() {
    let (tokens, (api, seen)) = (Tokens::new(), scripted(&[]));
    tokens.fail("down");
    let service = ServiceBuilder::new()
        .retry(RetryServerErrors(2))
        .layer(layer(&tokens))
        .service(api);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // At no cost to the token endpoint: it saw one of the three.
    assert_eq!(tokens.exchanges(), 1);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_beneath_the_layer_counts_what_is_sent_again_and_above_it_does_not() {
    for (beneath, seconds) in [(true, 1), (false, 0)] {
        let (tokens, (api, seen)) = (Tokens::new(), scripted(&[401]));
        let auth = layer(&tokens);
        let from = Instant::now();
        let status = if beneath {
            let service = ServiceBuilder::new()
                .retry(RetryUnauthorized::new())
                .layer(auth)
                // A rate limit is not `Clone`.
                .buffer(1)
                .rate_limit(1, SECOND)
                .service(api);
            service.oneshot(request()).await.unwrap().status()
        } else {
            let service = ServiceBuilder::new()
                .rate_limit(1, SECOND)
                .retry(RetryUnauthorized::new())
                .layer(auth)
                .service(api);
            service.oneshot(request()).await.unwrap().status()
        };
        assert_eq!(status, StatusCode::OK);
        assert_eq!(seen.lock().unwrap().len(), 2);
        assert_eq!(from.elapsed().as_secs(), seconds);
    }
}

/// Hedges every request.
#[derive(Clone)]
struct Always;

impl tower::hedge::Policy<Request<()>> for Always {
    fn clone_request(&self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
    fn can_retry(&self, _: &Request<()>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn hedged_requests_carry_the_token_and_never_double_the_fetch() {
    /// Loses the first request, and answers the second.
    fn lossy() -> (
        impl Service<Request<()>, Response = Response<()>, Error = BoxError, Future: Send> + Clone,
        Seen,
    ) {
        let seen = Seen::default();
        let kept = seen.clone();
        let api = service_fn(move |request: Request<()>| {
            let mut seen = kept.lock().unwrap();
            seen.push(carried(request.headers()));
            let lost = seen.len() == 1;
            async move {
                if lost {
                    pending::<()>().await;
                }
                Ok::<_, BoxError>(Response::new(()))
            }
        });
        (api, seen)
    }
    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let layer = layer(&tokens);
    // Above the layer, both halves wait for the one fetch.
    let (api, seen) = lossy();
    let hedged = Hedge::new(layer.layer(api), Always, 0, 0.9, 10 * SECOND);
    hedged.oneshot(request()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["t1", "t1"]);
    assert_eq!(tokens.exchanges(), 1);

    // Beneath it, behind a buffer, as a hedge is not `Clone`.
    let (api, seen) = lossy();
    let hedged = Hedge::new(api, Always, 0, 0.9, 10 * SECOND);
    let service = ServiceBuilder::new().layer(layer).buffer(4).service(hedged);
    service.oneshot(request()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["t1", "t1"]);
    assert_eq!(tokens.exchanges(), 1);
}
