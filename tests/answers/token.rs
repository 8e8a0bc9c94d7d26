//! Answers that are tokens.

use std::time::Duration;

use http::Response;

use crate::{answer, exchange, value};

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
async fn odd_answers_with_a_token_in_them_are_tokens() {
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

#[tokio::test]
async fn the_content_type_does_not_matter() {
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
