//! Answers with a status of success that are no token, and the limits of one.

use std::error::Error as _;

use fiskil_auth::ErrorKind;
use http::StatusCode;

use crate::answer;

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
async fn a_body_that_is_not_utf_8_is_an_invalid_answer() {
    for body in [&b"{\"token\":\"\xff\xfe\"}"[..], b"\x1f\x8b\x08\x00"] {
        let error = answer(200, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
    }
}

#[tokio::test]
async fn a_token_has_a_maximum_length_and_only_visible_ascii() {
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
async fn a_member_given_twice_is_no_token_even_with_equal_values() {
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
async fn deep_nesting_overflows_no_stack() {
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
