//! The exchange as users of `TokenClient` see it: what is sent, and what comes
//! of every kind of answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fiskil_auth::{
    BoxError, Credentials, Error, ErrorKind, Token, TokenClient, TokenRequest, TokenRequestBody,
};
use futures_util::stream;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Service, ServiceExt, service_fn};

const SECRET: &str = "fsk_9aZ/7Qx+2Lm?Wk";
const REJECTED: &str = "eyJhbGciOi.rejected-token";

fn request() -> TokenRequest {
    let mut request = TokenRequest::new(Credentials::new("client-1", SECRET));
    request.rejected = Some(Token::new(REJECTED, Duration::from_secs(900)).unwrap());
    request
}

async fn exchange(response: Response<impl Into<Bytes>>) -> Result<Token, Error> {
    let response = response.map(|body| Full::new(body.into()));
    let mut response = Some(response);
    let http = service_fn(move |_| {
        let response = response.take().expect("one request, and no more");
        async { Ok::<_, Infallible>(response) }
    });
    TokenClient::new(http).oneshot(request()).await
}

async fn answer(status: u16, body: impl Into<Bytes>) -> Result<Token, Error> {
    exchange(Response::builder().status(status).body(body).unwrap()).await
}

fn value(token: &Token) -> &str {
    let header = token.header_value().to_str().unwrap();
    header.strip_prefix("Bearer ").unwrap()
}

/// Everything that an error can be made to print.
fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}

#[track_caller]
fn assert_secretless(error: &Error) {
    let text = printed(error);
    for secret in [SECRET, REJECTED, "fsk_9aZ", "ZnNrXzlhW", "rejected-token"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(error.to_string().len() < 4096);
}

// === What is sent ===

#[tokio::test]
async fn the_request_is_exactly_as_documented() {
    let (mut client, mut server) = mock();
    client.ready().await.unwrap();
    let token = tokio::spawn(client.call(TokenRequest::new(Credentials::new("my \"id\"", "ß\\"))));

    let (request, respond) = server.next_request().await.unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://api.fiskil.com/v1/token");
    assert_eq!(request.version(), Version::HTTP_11);
    let json = "application/json; charset=UTF-8";
    let agent = concat!("fiskil-auth/", env!("CARGO_PKG_VERSION"));
    let expected = [
        ("accept", json),
        ("content-type", json),
        ("user-agent", agent),
    ];
    assert_eq!(request.headers().len(), expected.len());
    for (name, value) in expected {
        assert_eq!(request.headers()[name], value);
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"client_id":"my \"id\"","client_secret":"ß\\"}"#);

    respond.send_response(Response::new(Full::from(r#"{"token":"t","expires_in":1}"#)));
    assert_eq!(value(&token.await.unwrap().unwrap()), "t");
}

#[tokio::test]
async fn malformed_credentials_send_nothing() {
    for (id, secret) in [("", "s"), ("i", ""), ("i", "line\n"), ("i\0", "s")] {
        let sent = AtomicUsize::new(0);
        let http = service_fn(|_| {
            sent.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Infallible>(Response::new(String::new())) }
        });
        let request = TokenRequest::new(Credentials::new(id, secret));
        let error = TokenClient::new(http).oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(sent.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn another_endpoint_is_used_as_it_is() {
    let uri = "https://proxy.example:8443/fiskil/v1/token";
    let http = service_fn(move |request: Request<TokenRequestBody>| async move {
        assert_eq!(request.uri(), uri);
        Ok::<_, Infallible>(Response::new(r#"{"token":"t"}"#.to_owned()))
    });
    let client = TokenClient::new(http).endpoint(uri).unwrap();
    assert!(client.oneshot(request()).await.is_ok());
}

#[test]
fn the_secret_goes_to_https_or_loopback_only() {
    for uri in [
        "https://api.fiskil.com/v1/token",
        "https://h:8443/v1/token",
        "https://[2001:db8::1]/v1/token",
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[::1]:8080/v1/token",
    ] {
        assert!(TokenClient::new(()).endpoint(uri).is_ok(), "{uri}");
    }
    for uri in [
        "http://example.com",
        "http://localhost.example.com/v1/token",
        "http://10.0.0.1/v1/token",
        "https://user:pa55w0rd@api.fiskil.com/v1/token",
        "https://h:99999/v1/token",
        "https://h:/v1/token",
        "https://h/v1/token?a=pa55w0rd",
        "https://h/v1/token?",
        "ftp://h/v1/token",
        "api.fiskil.com",
        "/v1/token",
        "*",
        "https://",
        "not a pa55w0rd",
        "",
    ] {
        let error = TokenClient::new(()).endpoint(uri).expect_err(uri);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{uri}");
        assert!(!error.is_transient(), "{uri}");
        assert!(!printed(&error).contains("pa55w0rd"), "{uri}");
    }
}

// === Answers that are tokens ===

#[tokio::test]
async fn every_documented_form_of_answer_is_a_token() {
    for (body, token, lifetime) in [
        (
            r#"{"token": "yMWEx...", "expires_in": 600}"#,
            "yMWEx...",
            600,
        ),
        (
            r#"{"token": "yMWEx...", "expires_in": 900}"#,
            "yMWEx...",
            900,
        ),
        (
            r#"{"token": "your_token", "token_type": "Bearer", "expires_in": 900}"#,
            "your_token",
            900,
        ),
        (
            r#"{"access_token": "a.b-c_d", "token_type": "Bearer", "expires_in": 3600}"#,
            "a.b-c_d",
            3600,
        ),
    ] {
        let answer = answer(200, body).await.unwrap();
        assert_eq!(value(&answer), token);
        assert_eq!(answer.lifetime(), Duration::from_secs(lifetime));
    }
}

#[tokio::test]
async fn an_odd_answer_that_has_a_token_is_one() {
    let day = 24 * 60 * 60 * 1000;
    let longest = format!(r#"{{"token":"{}","expires_in":900}}"#, "x".repeat(8192));
    for (status, content_type, body, millis) in [
        (
            200,
            "text/html",
            r#"{"token":"t","expires_in":900}"#,
            900_000,
        ),
        (201, "", r#"{"token":"t","expires_in":900}"#, 900_000),
        (299, "", r#"{"token":"t","expires_in":900}"#, 900_000),
        (
            200,
            "",
            " \r\n{\"token\":\"t\",\"expires_in\":900}\n ",
            900_000,
        ),
        (200, "", r#"{"token":"t"}"#, 300_000),
        (200, "", r#"{"token":"t","expires_in":null}"#, 300_000),
        (200, "", r#"{"token":"t","expires_in":1}"#, 1000),
        (200, "", r#"{"token":"t","expires_in":599.5}"#, 599_500),
        (200, "", r#"{"token":"t","expires_in":9e2}"#, 900_000),
        (200, "", r#"{"token":"t","expires_in":"900"}"#, 900_000),
        (200, "", r#"{"token":"t","expires_in":"900.5"}"#, 900_500),
        (200, "", r#"{"token":"t","expires_in":86401}"#, day),
        (
            200,
            "",
            r#"{"token":"t","expires_in":9223372036854775808}"#,
            day,
        ),
        (
            200,
            "",
            r#"{"token":"t","expires_in":99999999999999999999}"#,
            day,
        ),
        (200, "", r#"{"token":"t","expires_in":1e300}"#, day),
        (200, "", r#"{"token":"t","expires_in":"1e300"}"#, day),
        (200, "", r#"{"token":"t","token_type":null}"#, 300_000),
        (200, "", r#"{"token":"t","token_type":"bEARER"}"#, 300_000),
        (200, "", r#"{"token":"t","access_token":"t"}"#, 300_000),
        (200, "", r#"{"token":null,"access_token":"t"}"#, 300_000),
        (
            200,
            "",
            r#"{"token":"t","scope":{"a":[1e400,{}]},"x":1,"x":2}"#,
            300_000,
        ),
        (200, "", r#"{"token":"\u0074"}"#, 300_000),
        (200, "", &longest, 900_000),
    ] {
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(body.to_owned());
        let token = exchange(response.unwrap()).await;
        let token = token.unwrap_or_else(|error| panic!("{status} {body}: {error}"));
        assert_eq!(token.lifetime(), Duration::from_millis(millis), "{body}");
        assert_eq!(value(&token).trim_matches(['t', 'x']), "", "{body}");
    }
}

// === Answers that are not ===

#[tokio::test]
async fn success_without_a_usable_token_is_transient_and_says_what_is_wrong() {
    let too_long = format!(r#"{{"token":"{}"}}"#, "x".repeat(8193));
    let deep = format!(r#"{{"token":{}"#, "[".repeat(5000));
    for (body, problem) in [
        ("", "body is empty"),
        (" \n", "body is empty"),
        ("<html>Log in to the Wi-Fi</html>", "not a JSON object"),
        (r#"["t", null, "Bearer", 900]"#, "not a JSON object"),
        (r#""t""#, "not a JSON object"),
        ("null", "not a JSON object"),
        ("\u{feff}{\"token\":\"t\"}", "not a JSON object"),
        (r#"{"token":"t","expires_in":900"#, "breaks off"),
        (r#"{"token":"t"} extra"#, "not valid JSON"),
        ("{token: t}", "not valid JSON"),
        (&deep, "not valid JSON"),
        ("{}", "no `token`"),
        (r#"{"token":null}"#, "no `token`"),
        (r#"{"Token":"t"}"#, "no `token`"),
        (r#"{"token":7}"#, "`token` is not a string"),
        (
            r#"{"access_token":["t"]}"#,
            "`access_token` is not a string",
        ),
        (r#"{"token":"t","access_token":"u"}"#, "differ"),
        (r#"{"token":"t","token":"t"}"#, "twice"),
        (r#"{"token":"t","expires_in":1,"expires_in":1}"#, "twice"),
        (r#"{"token":""}"#, "token is empty"),
        (r#"{"token":"two words"}"#, "visible ASCII"),
        (r#"{"token":"t\r\nx-evil: 1"}"#, "visible ASCII"),
        (r#"{"token":"tökén"}"#, "visible ASCII"),
        (&too_long, "8,192"),
        (
            r#"{"token":"t","token_type":"mac"}"#,
            "`token_type` is not Bearer",
        ),
        (
            r#"{"token":"t","token_type":""}"#,
            "`token_type` is not Bearer",
        ),
        (
            r#"{"token":"t","token_type":1}"#,
            "`token_type` is not a string",
        ),
        (r#"{"token":"t","expires_in":0}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":0.99}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":-900}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":"-1"}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":""}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":"900s"}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":"NaN"}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":"inf"}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":"1e400"}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":true}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":[900]}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":{}}"#, "`expires_in`"),
        (r#"{"token":"t","expires_in":1e400}"#, "not valid JSON"),
        (r#"{"token":"t","expires_in":NaN}"#, "not valid JSON"),
    ] {
        let error = answer(200, body.to_owned()).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::InvalidAnswer, "{body}");
        assert!(error.is_transient(), "{body}");
        assert_eq!(error.status(), Some(StatusCode::OK), "{body}");
        assert!(error.to_string().contains(problem), "{body}: {error}");
        assert!(error.source().is_none(), "{body}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_an_invalid_answer() {
    for body in [&b"{\"token\":\"\xff\xfe\"}"[..], b"\x1f\x8b\x08\x00"] {
        let error = answer(200, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
    }
}

#[tokio::test]
async fn the_status_decides_what_kind_of_failure_it_is() {
    use ErrorKind::{InvalidAnswer, Refused, Unavailable};
    let token = r#"{"token":"t","expires_in":900}"#;
    let temporary = r#"{"temporary":true}"#;
    let timeout = r#"{"timeout":true,"temporary":false}"#;
    let neither = r#"{"temporary":"true","timeout":1}"#;
    for (status, body, kind, transient) in [
        (101, "", Refused, false),
        (204, token, InvalidAnswer, false),
        (300, token, Refused, false),
        (301, "", Refused, false),
        (304, "", Refused, false),
        (307, temporary, Refused, false),
        (400, token, Refused, false),
        (400, temporary, Refused, true),
        (400, timeout, Refused, true),
        (400, neither, Refused, false),
        (401, "", Refused, false),
        (401, temporary, Refused, true),
        (403, "<html>", Refused, false),
        (404, "", Refused, false),
        (408, "", Unavailable, true),
        (418, "[]", Refused, false),
        (425, "", Unavailable, true),
        (429, neither, Unavailable, true),
        (500, token, Unavailable, true),
        (502, "<html>", Unavailable, true),
        (503, "", Unavailable, true),
        (504, "{", Unavailable, true),
        (599, "", Unavailable, true),
        (600, "", Refused, false),
        (999, "", Refused, false),
    ] {
        let error = answer(status, body).await.expect_err(body);
        assert_eq!(error.kind(), kind, "{status} {body}");
        assert_eq!(error.is_transient(), transient, "{status} {body}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn refused_credentials_say_what_to_check() {
    let error = answer(401, "").await.unwrap_err().to_string();
    assert!(error.contains("client id \"client-1\""), "{error}");
    assert!(error.contains("Fiskil Console"), "{error}");
}

#[tokio::test]
async fn the_id_and_name_of_fiskils_error_are_shown_and_its_message_is_not() {
    let body = r#"{"id": "err_acde070d-8c4c-4f0d-9d8a-162843c10333", "name": "InvalidRequest",
        "message": "for people", "temporary": false, "timeout": false, "fault": false}"#;
    let error = answer(400, body).await.unwrap_err();
    let id = "err_acde070d-8c4c-4f0d-9d8a-162843c10333";
    assert_eq!(error.error_id(), Some(id));
    assert_eq!(error.error_name(), Some("InvalidRequest"));
    assert!(error.to_string().contains(id));
    assert!(!printed(&error).contains("for people"));
}

#[tokio::test]
async fn an_odd_member_of_fiskils_error_costs_only_itself() {
    let body = r#"{"id": {"a": [1]}, "name": "unauthorized", "temporary": "yes", "timeout": true}"#;
    let error = answer(401, body).await.unwrap_err();
    assert_eq!(error.error_id(), None);
    assert_eq!(error.error_name(), Some("unauthorized"));
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_id_that_is_no_plain_identifier_is_left_out() {
    for (id, shown) in [
        ("x".repeat(128), true),
        ("A-z_0.9:".to_owned(), true),
        ("x".repeat(129), false),
        (String::new(), false),
        ("two words".to_owned(), false),
        ("a/b".to_owned(), false),
        ("é".to_owned(), false),
        ("line\\nbreak".to_owned(), false),
    ] {
        let body = format!(r#"{{"id":"{id}","name":"{id}"}}"#);
        let error = answer(500, body).await.unwrap_err();
        assert_eq!(error.error_id().is_some(), shown, "{id}");
        assert_eq!(error.error_name().is_some(), shown, "{id}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let response = Response::builder()
            .status(status)
            .header("location", "https://elsewhere.example/v1/token")
            .body("");
        // `exchange` panics at a second request.
        let error = exchange(response.unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("redirects are not followed"));
    }
}

// === Secrets ===

#[tokio::test]
async fn what_a_server_echoes_is_never_shown() {
    let base64 = "ZnNrXzlhWi83UXgrMkxtP1dr";
    for echo in [SECRET, REJECTED, base64, "fsk_9aZ%2F7Qx%2B", "eyJhbGci"] {
        for body in [
            format!(r#"{{"id":"{echo}","name":"{echo}","message":"{echo}"}}"#),
            format!(r#"{{"id":"err_{echo}_1","name":"x.{echo}","{echo}":"{echo}"}}"#),
            format!(r#"{{"token":["{echo}"],"token_type":"{echo}","expires_in":"{echo}"}}"#),
            format!(r#"{{"token":"{echo} {echo}"}}"#),
            format!(r#"{{"token":"t","token_type":"{echo}"}}"#),
            format!(r#"{{"{echo}":1,}}"#),
            echo.to_owned(),
        ] {
            for status in [200, 302, 400, 401, 429, 500] {
                let error = answer(status, body.clone()).await.unwrap_err();
                assert_secretless(&error);
                assert_eq!(error.error_id(), None, "{body}");
                assert_eq!(error.error_name(), None, "{body}");
            }
        }
    }
}

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
    let (mut client, mut server) = mock();
    server.send_error("closed");
    let error = client.ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());
}

#[test]
fn debug_shows_the_endpoint() {
    let text = format!("{:?}", TokenClient::new("http"));
    assert!(text.contains("https://api.fiskil.com/v1/token"), "{text}");
}

// === Retry-After ===

#[tokio::test(start_paused = true)]
async fn retry_after_counts_on_429_and_503() {
    let day = 24 * 60 * 60;
    for (value, wait) in [
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("007", Some(7)),
        ("86400", Some(day)),
        ("86401", Some(day)),
        ("18446744073709551615", Some(day)),
        ("99999999999999999999999999999", Some(day)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(day)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("0", None),
        ("", None),
        ("-7", None),
        ("+7", None),
        ("7.5", None),
        ("7s", None),
        ("soon", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("\u{e9}", None),
    ] {
        for status in [429, 503] {
            let error = limited(status, value).await;
            let wait = wait.map(Duration::from_secs);
            assert_eq!(error.retry_after(), wait, "{status} {value}");
            assert!(error.is_transient());
        }
        for status in [301, 400, 401, 408, 425, 500, 502, 504] {
            assert_eq!(limited(status, value).await.retry_after(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_may_be_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1000));
    let left = limited(429, &date).await.retry_after().unwrap();
    // The wall clock isn't paused, and the date has whole seconds.
    assert!((900..=1000).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_what_is_left() {
    let error = limited(503, "7").await;
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(error.retry_after(), None);
}

async fn limited(status: u16, retry_after: &str) -> Error {
    let response = Response::builder()
        .status(status)
        .header("retry-after", retry_after.as_bytes())
        .body("");
    exchange(response.unwrap()).await.unwrap_err()
}

// === Bodies ===

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
    S: stream::Stream<Item = Result<Frame<Bytes>, E>> + Send + 'static,
    E: Into<BoxError>,
{
    let body = StreamBody::new(frames);
    let mut response = Some(Response::builder().status(status).body(body).unwrap());
    let http = service_fn(move |_| {
        let response = response.take().expect("one request, and no more");
        async { Ok::<_, Infallible>(response) }
    });
    TokenClient::new(http).oneshot(request()).await
}

// === Shapes ===

type Mock = tower_test::mock::Mock<Request<TokenRequestBody>, Response<Full<Bytes>>>;
type Server = tower_test::mock::Handle<Request<TokenRequestBody>, Response<Full<Bytes>>>;

fn mock() -> (TokenClient<Mock>, Server) {
    let (http, server) = tower_test::mock::pair();
    (TokenClient::new(http), server)
}

#[test]
fn the_client_is_a_cloneable_token_service() {
    fn check<T>(_: T)
    where
        T: Service<TokenRequest, Response = Token, Error = Error, Future: Send>,
        T: Clone + Send + Sync + 'static,
    {
    }
    check(TokenClient::new(service_fn(
        |_: Request<TokenRequestBody>| async { Ok::<_, Infallible>(Response::new(String::new())) },
    )));
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_body_does_not_come_is_judged_by_its_status() {
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
