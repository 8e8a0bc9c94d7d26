//! Bodies of any length, in any pieces, and broken ones.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use fiskil_auth::{BoxError, Error, ErrorKind, Token};
use futures_util::stream::{self, Stream};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::support::endpoint;
use crate::{REJECTED, SECRET, answer, assert_secretless, request, value};

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_cap_only() {
    // What each frame holds, and how many of them the cap has room for.
    for (frame, frames) in [
        ("x".repeat(1024), 65),
        ("x".into(), 65_536),
        ("".into(), 65_536),
    ] {
        for status in [200, 500] {
            let read = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&read);
            let frame = Bytes::from(frame.clone());
            let body = stream::repeat_with(move || {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Frame::data(frame.clone()))
            });
            let error = streamed(status, body).await.unwrap_err();
            assert_eq!(read.load(Ordering::Relaxed), frames);
            assert_eq!(error.status().unwrap().as_u16(), status);
            if status == 200 {
                assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
                assert!(error.to_string().contains("longer than 64 KiB"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_as_long_as_the_cap_is_read() {
    for (padding, fits) in [(65_536 - 13, true), (65_536 - 12, false)] {
        let body = format!(r#"{{"token":"t"}}{}"#, " ".repeat(padding));
        assert_eq!(answer(200, body).await.is_ok(), fits);
    }
}

#[tokio::test]
async fn a_token_may_arrive_in_pieces_with_trailers() {
    let trailers = Frame::trailers(http::HeaderMap::new());
    let frames = [r#"{"tok"#, "", r#"en":"abc"#, r#"def"}"#].map(|text| Frame::data(text.into()));
    let frames = frames
        .into_iter()
        .chain([trailers])
        .map(Ok::<_, Infallible>);
    let token = streamed(200, stream::iter(frames)).await.unwrap();
    assert_eq!(value(&token), "abcdef");
}

#[tokio::test]
async fn a_body_cut_midway_is_unavailable() {
    let error = cut(200, r#"{"token":"yMWEx-part"#, "connection reset").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());
    assert_eq!(error.status(), Some(StatusCode::OK));
    assert!(error.to_string().contains("middle"), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "connection reset");
}

#[tokio::test]
async fn the_error_of_a_body_cut_midway_never_quotes_the_token() {
    for text in ["after yMWEx-part", "yMWEx-pa", SECRET, REJECTED] {
        let error = cut(200, r#"{"token":"yMWEx-part"#, text).await;
        assert!(error.source().is_none(), "{text}");
        assert_secretless(&error);
    }
}

#[tokio::test]
async fn a_failure_whose_body_is_cut_is_judged_by_its_status() {
    let error = cut(401, r#"{"id":"err_1""#, "connection reset").await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(!error.is_transient());
    assert_eq!(error.error_id(), None);
}

async fn cut(status: u16, arrived: &'static str, text: &str) -> Error {
    let frames = [
        Ok(Frame::data(Bytes::from(arrived))),
        Err(io::Error::new(io::ErrorKind::ConnectionReset, text)),
    ];
    streamed(status, stream::iter(frames)).await.unwrap_err()
}

async fn streamed<S, E>(status: u16, frames: S) -> Result<Token, Error>
where
    S: Stream<Item = Result<Frame<Bytes>, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let answer = Response::builder().status(status);
    let answer = answer.body(StreamBody::new(frames)).unwrap();
    endpoint::exchange(request(), answer).await
}
