//! What it sends again after a 401, and what it does not.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fiskil_auth::retry::{CloneBody, RetryUnauthorized};
use fiskil_auth::{Error, FiskilAuth, FiskilAuthLayer};
use futures_util::future::join_all;
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Version};
use tokio::time::Instant;
use tower::retry::Retry;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Api, Tokens, carried, credentials, layer, settle};

type Inner<B> = BoxCloneService<Request<B>, Response<()>, Infallible>;

/// What reached an API that answers 401 to some tokens.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn tokens(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn api<B: Send + 'static>(&self, rejects: fn(&str) -> bool) -> Inner<B> {
        let seen = self.clone();
        BoxCloneService::new(service_fn(move |request: Request<B>| {
            let token = carried(request.headers());
            let mut response = Response::new(());
            if rejects(&token) {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            seen.0.lock().unwrap().push(token);
            async { Ok(response) }
        }))
    }
}

/// The policy above the layer, above an API that rejects some tokens.
fn stack(
    policy: RetryUnauthorized,
    layer: &FiskilAuthLayer,
    seen: &Seen,
    rejects: fn(&str) -> bool,
) -> Retry<RetryUnauthorized, FiskilAuth<Inner<()>>> {
    let inner = layer.layer(seen.api(rejects));
    ServiceBuilder::new().retry(policy).service(inner)
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_is_sent_again_with_the_next_token() {
    let (tokens, seen) = (Tokens::new(), Seen::default());
    let layer = layer(&tokens);
    let service = stack(RetryUnauthorized::new(), &layer, &seen, |token| {
        token == "t1"
    });
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(seen.tokens(), ["t1", "t2"]);
    assert_eq!(tokens.exchanges(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_again_once_only() {
    // Answers late, so that each token is old enough for its rejection to
    // start a renewal at once.
    let seen: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let api = service_fn(|request: Request<()>| async move {
        let sent = {
            let mut seen = seen.lock().unwrap();
            seen.push(carried(request.headers()));
            seen.len()
        };
        assert!(sent < 10, "sent again and again");
        tokio::time::sleep(Duration::from_secs(61)).await;
        let response = Response::builder().status(StatusCode::UNAUTHORIZED);
        Ok::<_, Infallible>(response.body(()).unwrap())
    });
    let tokens = Tokens::new();
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new())
        .layer(layer(&tokens))
        .service(api);
    let response = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(*seen.lock().unwrap(), ["t1", "t2"]);
    // The limit is each request's own.
    service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["t1", "t2", "t3", "t4"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_not_sent_again_with_the_same_token() {
    let (tokens, seen) = (Tokens::new(), Seen::default());
    let layer = layer(&tokens);
    let service = stack(RetryUnauthorized::new(), &layer, &seen, |_| true);
    // Three rejections start a renewal each, of which the last is beyond its
    // request's one resend.
    service.clone().oneshot(Request::new(())).await.unwrap();
    service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(seen.tokens(), ["t1", "t2", "t3", "t4"]);
    // From here on the token stays in use.
    for sent in 5..=7 {
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(seen.tokens().len(), sent);
    }
    assert_eq!(tokens.exchanges(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_requests_rejected_at_once_are_sent_again_after_one_renewal() {
    let (tokens, seen) = (Tokens::new(), Seen::default());
    tokens.issue_after(Duration::from_millis(50));
    let layer = layer(&tokens);
    layer.tokens().token().await.unwrap();
    let service = stack(RetryUnauthorized::new(), &layer, &seen, |token| {
        token == "t1"
    });
    let requests = (0..100).map(|_| service.clone().oneshot(Request::new(())));
    for response in join_all(requests).await {
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(tokens.exchanges(), 2);
}

#[tokio::test(start_paused = true)]
async fn if_the_renewal_fails_the_caller_sees_the_apis_own_401() {
    let (tokens, seen) = (Tokens::new(), Seen::default());
    let layer = layer(&tokens);
    layer.tokens().token().await.unwrap();
    tokens.fail("down");
    let service = stack(RetryUnauthorized::new(), &layer, &seen, |_| true);
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(seen.tokens(), ["t1", "t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_401_that_rejects_no_token_of_ours_is_not_sent_again() {
    let (tokens, seen) = (Tokens::new(), Seen::default());
    let layer = layer(&tokens).pass_other_origins();
    let service = stack(RetryUnauthorized::new(), &layer, &seen, |_| true);
    let request = Request::get("https://elsewhere.example/").body(()).unwrap();
    service.oneshot(request).await.unwrap();
    assert_eq!(seen.tokens(), ["nothing"]);

    // Nor is the 401 of a layer in between.
    let calls: &'static Mutex<u32> = Box::leak(Box::default());
    let denied = service_fn(|_: Request<()>| async {
        *calls.lock().unwrap() += 1;
        let response = Response::builder().status(StatusCode::UNAUTHORIZED);
        Ok::<_, Infallible>(response.body(()).unwrap())
    });
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new())
        .service(denied);
    service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_answered_with_grpc_status_16_is_sent_again() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let api = service_fn(|request: Request<()>| async move {
        let status = match carried(request.headers()).as_str() {
            "t1" => "16",
            _ => "0",
        };
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", status);
        Ok::<_, Infallible>(response.body(()).unwrap())
    });
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new())
        .layer(layer)
        .service(api);
    let request = Request::builder().header("content-type", "application/grpc");
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    assert_eq!(response.headers().get("grpc-status").unwrap(), "0");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_token_is_not_sent_again_unless_asked_for() {
    for content_type in ["application/json", "application/grpc"] {
        let tokens = Tokens::new();
        tokens.fail("down");
        let (layer, seen) = (layer(&tokens), Seen::default());
        let service = stack(RetryUnauthorized::new(), &layer, &seen, |_| false);
        let request = Request::get("/").header("content-type", content_type);
        let from = Instant::now();
        let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
        assert!(response.extensions().get::<Error>().is_some());
        assert_eq!(from.elapsed(), Duration::ZERO);
    }
}

/// A body that can't be cloned.
#[derive(Debug, PartialEq)]
struct Stream(&'static str);

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_cannot_be_cloned_is_sent_once() {
    for (body, sent) in [("once", 1), ("again", 2)] {
        let (tokens, seen) = (Tokens::new(), Seen::default());
        let layer = layer(&tokens);
        let policy = RetryUnauthorized::with_body(|body: &Stream| {
            (body.0 == "again").then_some(Stream(body.0))
        });
        let service = ServiceBuilder::new()
            .retry(policy)
            .layer(layer.clone())
            .service(seen.api(|token| token == "t1"));
        service.oneshot(Request::new(Stream(body))).await.unwrap();
        assert_eq!(seen.tokens().len(), sent);
        settle().await;
        // The token is renewed in both cases.
        assert_eq!(tokens.exchanges(), 2);
    }
}

type Everything<B> = (Method, String, Version, HeaderMap, Option<u8>, B);

fn everything<B>(request: Request<B>) -> Everything<B> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove("authorization");
    let number = |extensions: &Extensions| extensions.get::<u8>().copied();
    let extension = number(&parts.extensions);
    let uri = parts.uri.to_string();
    (
        parts.method,
        uri,
        parts.version,
        parts.headers,
        extension,
        body,
    )
}

#[tokio::test(start_paused = true)]
async fn the_request_sent_again_differs_in_its_token_only() {
    let request = || {
        Request::put("/v1/consents?a=b")
            .version(Version::HTTP_2)
            .header("x-fiskil-version", "v2")
            .header("x-twice", "one")
            .header("x-twice", "two")
            .extension(7_u8)
            .body(Stream("body"))
            .unwrap()
    };
    let requests: &'static Mutex<Vec<Everything<Stream>>> = Box::leak(Box::default());
    let api = service_fn(|request: Request<Stream>| async {
        let mut requests = requests.lock().unwrap();
        let mut response = Response::new(());
        if requests.is_empty() {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        requests.push(everything(request));
        Ok::<_, Infallible>(response)
    });
    let tokens = Tokens::new();
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::with_body(|body: &Stream| {
            Some(Stream(body.0))
        }))
        .layer(layer(&tokens))
        .service(api);
    service.oneshot(request()).await.unwrap();
    let seen = requests.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| *seen == everything(request())));
}

#[test]
fn policies_are_send_sync_and_clone_and_debug_shows_no_secret() {
    fn assert<T: Send + Sync + Clone + 'static>(_: &T) {}
    let policy: RetryUnauthorized<CloneBody> = RetryUnauthorized::default();
    assert(&policy);
    assert_eq!(
        format!("{policy:?}"),
        "RetryUnauthorized { resent: false, patience: None, .. }"
    );
    let service = ServiceBuilder::new()
        .retry(policy.retry_transient(Duration::from_secs(1)))
        .layer(FiskilAuthLayer::with_token_service(
            credentials(),
            Tokens::new(),
        ))
        .service(Api::default());
    assert(&service);
    drop(tower::util::BoxCloneSyncService::new(service));
}
