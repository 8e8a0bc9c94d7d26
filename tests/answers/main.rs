//! The page "Answers", row by row: what comes of each answer of the token
//! endpoint.
//!
//! Guarantees 9 (every answer has an outcome) and 12 (no secret in any text).
//!
//! Mutations caught: any status moved to another class; `temporary` or `timeout`
//! read as anything but `true`, on a redirect, or not at all; a limit on the token
//! or on nesting lifted; a content type that counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod body;
mod connection;
mod error_object;
mod no_token;
mod retry_after;
mod secrets;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod token;

use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::{Credentials, Error, Token, TokenRequest};
use http::Response;
use http_body_util::Full;
use support::endpoint::{self, response};
use support::printed;

const SECRET: &str = "fsk_9aZ/7Qx+2Lm?Wk";
const REJECTED: &str = "eyJhbGciOi.rejected-token";

/// The request that gets the answers.
fn request() -> TokenRequest {
    let mut request = TokenRequest::new(Credentials::new("client-1", SECRET));
    request.rejected = Some(Token::new(REJECTED, Duration::from_secs(900)).unwrap());
    request
}

async fn exchange(answer: Response<impl Into<Bytes>>) -> Result<Token, Error> {
    let answer = answer.map(|body| Full::new(body.into()));
    endpoint::exchange(request(), answer).await
}

async fn answer(status: u16, body: impl Into<Bytes>) -> Result<Token, Error> {
    endpoint::exchange(request(), response(status, body)).await
}

fn value(token: &Token) -> &str {
    let header = token.header_value().to_str().unwrap();
    header.strip_prefix("Bearer ").unwrap()
}

#[track_caller]
fn assert_secretless(error: &Error) {
    let text = printed(error);
    for secret in [SECRET, REJECTED, "fsk_9aZ", "ZnNrXzlhW", "rejected-token"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(error.to_string().len() < 4096);
}
