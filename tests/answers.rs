//! The documented table of answers, row by row where `exchange` has no row of
//! it, and every status there is.
//!
//! Breaks of the source that these tests catch: any status moved to another
//! class, `temporary` or `timeout` read as anything but `true`, on a redirect or
//! not at all; a limit on the token or on nesting lifted; a content type that
//! counts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{
    Credentials, Error, ErrorKind, FiskilAuthLayer, Token, TokenClient, TokenRequest,
    TokenRequestBody,
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};

async fn exchange(answer: Response<impl Into<Bytes>>) -> Result<Token, Error> {
    let mut answer = Some(answer.map(|body| Full::new(body.into())));
    let http = service_fn(move |_: Request<TokenRequestBody>| {
        let answer = answer.take().unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let request = TokenRequest::new(Credentials::new("id", "Zk7Qw2Xr9Tb4Vn8L"));
    TokenClient::new(http).oneshot(request).await
}

async fn answer(status: u16, body: impl Into<Bytes>) -> Result<Token, Error> {
    exchange(Response::builder().status(status).body(body).unwrap()).await
}

/// What the table says of a status, for an error object with or without a flag
/// that is set.
fn expected(status: u16, flagged: bool) -> (ErrorKind, bool) {
    match status {
        204 => (ErrorKind::InvalidAnswer, false),
        408 | 425 | 429 | 500..=599 => (ErrorKind::Unavailable, true),
        300..=399 => (ErrorKind::Refused, false),
        _ => (ErrorKind::Refused, flagged),
    }
}

#[tokio::test]
async fn every_status_with_and_without_every_kind_of_error_object() {
    let object = |temporary: &str, timeout: &str| {
        format!(
            r#"{{"id":"err_1","name":"n","message":"m","temporary":{temporary},"timeout":{timeout}}}"#
        )
    };
    let bodies = [
        (String::new(), false, false),
        ("<html>".to_owned(), false, false),
        ("[]".to_owned(), false, false),
        ("x".repeat(70_000), false, false),
        (r#"{"token":"t","expires_in":900}"#.to_owned(), false, false),
        (object("false", "false"), false, true),
        (object("true", "false"), true, true),
        (object("false", "true"), true, true),
        (object("true", "true"), true, true),
        (object("1", "\"true\""), false, true),
        (object("null", "{}"), false, true),
        (object("true", "true") + "}", false, false),
        (
            r#"{"id":"err_1","id":"err_2","temporary":true}"#.to_owned(),
            false,
            false,
        ),
    ];
    let edges = [
        100, 101, 199, 204, 300, 304, 399, 400, 401, 403, 404, 407, 408, 409, 424, 425, 426, 428,
        429, 430, 499, 500, 503, 504, 599, 600, 999,
    ];
    let all: Vec<u16> = (100..=199).chain([204]).chain(300..=999).collect();
    for (body, flagged, shown) in &bodies {
        // The strongest of them with every status, the others at the edges.
        let statuses = if *flagged && body.contains("false") {
            &all[..]
        } else {
            &edges
        };
        for &status in statuses {
            // Of a redirect nothing but the status is looked at.
            let is_read = !(200..400).contains(&status);
            let error = answer(status, body.clone()).await.unwrap_err();
            let (kind, transient) = expected(status, *flagged);
            assert_eq!(
                (error.kind(), error.is_transient()),
                (kind, transient),
                "{status} {body}"
            );
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert_eq!(
                error.error_id().is_some(),
                *shown && is_read,
                "{status} {body}"
            );
        }
    }
}

#[tokio::test]
async fn every_2xx_but_204_is_judged_by_its_body() {
    for status in (200..=299).filter(|status| *status != 204) {
        answer(status, r#"{"token":"t"}"#).await.unwrap();
        let error = answer(status, "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn content_types_do_not_count() {
    for content_type in [
        "",
        "text/html",
        "application/problem+json",
        "\u{e9}",
        "multipart/mixed",
    ] {
        let with = |status: u16, body: &'static str| {
            let answer = Response::builder()
                .status(status)
                .header("content-type", content_type);
            exchange(answer.body(body).unwrap())
        };
        with(200, r#"{"token":"t"}"#).await.unwrap();
        let error = with(400, r#"{"id":"err_1"}"#).await.unwrap_err();
        assert_eq!(error.error_id(), Some("err_1"));
    }
    answer(200, r#"{"token":"t"}"#).await.unwrap();
}

#[tokio::test]
async fn tokens_have_a_length_and_an_alphabet() {
    for (value, fits) in [
        ("x".repeat(8192), true),
        ("x".repeat(8193), false),
        ("x".repeat(60_000), false),
        ("x".repeat(1024 * 1024), false),
        ("!~".to_owned(), true),
        ("a b".to_owned(), false),
        (" a".to_owned(), false),
        ("a\u{7f}".to_owned(), false),
        ("a\u{80}".to_owned(), false),
        ("\u{202e}a".to_owned(), false),
        ("\u{1f511}".to_owned(), false),
    ] {
        for member in ["token", "access_token"] {
            let outcome = answer(200, format!(r#"{{"{member}":"{value}"}}"#)).await;
            assert_eq!(outcome.is_ok(), fits);
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
                assert!(value.len() < 100 || !format!("{error:?}").contains(&value));
            }
        }
    }
    for escape in (0..32).map(|code| format!("\\u{code:04x}")) {
        let body = format!(r#"{{"token":"a{escape}b"}}"#);
        assert_eq!(
            answer(200, body).await.unwrap_err().kind(),
            ErrorKind::InvalidAnswer
        );
    }
}

#[tokio::test]
async fn a_member_twice_is_no_token_even_where_both_are_the_same() {
    for member in [
        r#""token":"t""#,
        r#""access_token":"t""#,
        r#""token_type":"Bearer""#,
        r#""expires_in":900"#,
        r#""expires_in":null"#,
    ] {
        let body = format!(r#"{{"token":"t",{member},{member}}}"#);
        let error = answer(200, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
        assert!(error.to_string().contains("twice"), "{error}");
    }
}

#[tokio::test]
async fn token_types_other_than_bearer_are_no_token() {
    for (scheme, fits) in [
        ("null", true),
        (r#""Bearer""#, true),
        (r#""BEARER""#, true),
        (r#""bearer ""#, false),
        (r#""Bearer, Basic""#, false),
        (r#""DPoP""#, false),
        (r#""""#, false),
        ("true", false),
        (r#"["Bearer"]"#, false),
        ("{}", false),
    ] {
        let outcome = answer(200, format!(r#"{{"token":"t","token_type":{scheme}}}"#)).await;
        assert_eq!(outcome.is_ok(), fits, "{scheme}");
    }
}

#[tokio::test]
async fn nesting_costs_no_stack() {
    for depth in [100, 200, 10_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            answer(200, format!(r#"{{"token":"t","x":{nested}}}"#))
                .await
                .unwrap();
            // Within a member that matters it is no token at any depth.
            for member in ["token", "access_token", "token_type", "expires_in"] {
                let body = format!(r#"{{"{member}":{nested},"x":"t"}}"#);
                let error = answer(200, body).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
            }
        }
    }
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
