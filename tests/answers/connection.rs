//! HTTP clients that fail, and answers that never come.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{ErrorKind, FiskilAuthLayer, TokenClient};
use futures_util::stream;
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tower::{ServiceExt, service_fn};

use crate::{REJECTED, SECRET, assert_secretless, request};

#[tokio::test]
async fn a_network_error_keeps_its_source_unless_that_quotes_a_secret() {
    for (text, kept) in [
        ("connection refused".to_owned(), true),
        (format!("could not send {SECRET}"), false),
        (format!("could not send {REJECTED}"), false),
        ("could not send ZnNrXzlhWi83UXgrMkxtP1dr".to_owned(), false),
    ] {
        let inner = io::Error::other(text.clone());
        let mut outer = Some(io::Error::other(inner));
        let http = service_fn(move |_| {
            let error = outer.take().unwrap();
            async { Err::<Response<Full<Bytes>>, _>(error) }
        });
        let error = TokenClient::new(http).oneshot(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_transient());
        assert_eq!(error.status(), None);
        assert_eq!(error.source().is_some(), kept, "{text}");
        assert_secretless(&error);
    }
}

#[tokio::test]
async fn an_http_client_that_is_never_ready_is_unavailable() {
    let (http, mut server) = tower_test::mock::pair::<_, Response<Full<Bytes>>>();
    let mut client = TokenClient::new(http);
    server.send_error("closed");
    let error = client.ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_failure_whose_body_never_comes_is_judged_by_its_status() {
    let http = service_fn(|_| async {
        let response = Response::builder()
            .status(429)
            .header("retry-after", "120")
            .body(StreamBody::new(stream::pending::<
                Result<Frame<Bytes>, Infallible>,
            >()));
        Ok::<_, Infallible>(response.unwrap())
    });
    let error = TokenClient::new(http).oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.status(), Some(StatusCode::TOO_MANY_REQUESTS));
    assert!(error.retry_after() > Some(Duration::from_secs(115)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_and_an_answer_that_never_comes_end_at_the_deadline() {
    for fault in [Fault::Trickle, Fault::Hang] {
        let sandbox = Sandbox::new();
        sandbox.fail_exchanges(fault);
        let client = TokenClient::new(sandbox.service());
        let layer = FiskilAuthLayer::with_token_service(sandbox.credentials(), client);
        let start = tokio::time::Instant::now();
        let error = layer.tokens().token().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.is_transient()),
            (ErrorKind::Timeout, true)
        );
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}
