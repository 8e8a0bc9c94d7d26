//! A request that waits for its token holds nothing of the inner service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use fiskil_auth::{BoxError, ErrorKind, Token, TokenRequest};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::time::Instant;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

use crate::support::{Api, Tokens, credentials, error, layer, layer_over, sent, settle};

#[tokio::test(start_paused = true)]
async fn a_token_service_that_shares_the_inner_services_limit_does_not_deadlock() {
    // Both go through one limit of a single permit.
    #[derive(Clone)]
    struct Both(Tokens, Api);
    enum Call {
        Token(TokenRequest),
        Api(Request<()>),
    }
    enum Answer {
        Token(Token),
        Api(Response<()>),
    }
    impl Service<Call> for Both {
        type Response = Answer;
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, call: Call) -> Self::Future {
            match call {
                Call::Token(request) => {
                    let token = self.0.call(request);
                    Box::pin(async { Ok(Answer::Token(token.await?)) })
                }
                Call::Api(request) => {
                    let response = self.1.call(request);
                    Box::pin(async { Ok(Answer::Api(response.await?)) })
                }
            }
        }
    }

    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let both = ConcurrencyLimit::new(Both(tokens, Api::default()), 1);
    let token_service = both
        .clone()
        .map_request(Call::Token)
        .map_response(|answer| {
            let Answer::Token(token) = answer else {
                unreachable!()
            };
            token
        });
    let api = both.map_request(Call::Api).map_response(|answer| {
        let Answer::Api(response) = answer else {
            unreachable!()
        };
        response
    });
    let layer = layer_over(credentials(), token_service);
    let service = layer.layer(api);
    let requests = (0..5).map(|_| service.clone().oneshot(Request::new(())));
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(sent(&response.unwrap()), "t1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_token_holds_no_permit() {
    let tokens = Tokens::new();
    tokens.hang();
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let service = layer(&tokens).layer(limited.clone());
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(Request::new(()))))
        .collect();
    settle().await;
    // Another caller gets the only permit.
    let response: Result<_, Infallible> = limited.oneshot(Request::new(())).await;
    assert_eq!(sent(&response.unwrap()), "nothing");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_gives_its_permit_back() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let mut service = layer(&tokens).layer(limited.clone());
    let response = service
        .ready()
        .await
        .unwrap()
        .call(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // `service` is still alive, and holds no permit.
    limited.oneshot(Request::new(())).await.unwrap();
    drop(service);
}

/// A request with as many headers as a map can hold, of this media type.
fn full_request(content_type: &'static str) -> Request<()> {
    let mut request = Request::new(());
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let names = (0..40_000).map(|n| HeaderName::try_from(format!("x-{n}")).unwrap());
    for name in names {
        let value = HeaderValue::from_static("");
        if headers.try_insert(name, value).is_err() {
            assert!(headers.len() > 20_000);
            return request;
        }
    }
    panic!("it has no end");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_room_for_the_header_fails_and_gives_its_permit_back() {
    // Without a token, it waits for one first; with one, it does not.
    let tokens = Tokens::new();
    tokens.issue_after(Duration::from_secs(1));
    let limited = ConcurrencyLimit::new(Api::default(), 1);
    let layer = layer(&tokens);
    let mut service = layer.layer(limited.clone());
    for content_type in ["application/json", "application/grpc"] {
        for wait in [1, 0] {
            let (from, call) = (Instant::now(), full_request(content_type));
            let response = service.ready().await.unwrap().call(call).await.unwrap();
            assert_eq!(from.elapsed().as_secs(), wait);
            let failure = error(&response);
            assert_eq!(failure.kind(), ErrorKind::Configuration);
            assert!(failure.to_string().contains("so many headers"), "{failure}");
            if content_type == "application/grpc" {
                assert_eq!(response.headers().get("grpc-status").unwrap(), "16");
            } else {
                assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
            }
            // `service` and the answer are still alive, and hold no permit.
            let other = limited.clone().oneshot(Request::new(()));
            let other = tokio::time::timeout(Duration::from_secs(60), other).await;
            assert_eq!(
                sent(&other.expect("the permit is kept").unwrap()),
                "nothing"
            );
        }
        layer
            .tokens()
            .invalidate(&layer.tokens().token().await.unwrap());
    }
}
