//! The status of an answer: what kind of failure it is.

use fiskil_auth::ErrorKind;

use crate::answer;

/// What the table says of a status: the kind, and whether it is transient, for an
/// error object with or without a flag that is set.
fn expected(status: u16, flagged: bool) -> (ErrorKind, bool) {
    match status {
        204 => (ErrorKind::InvalidAnswer, false),
        408 | 425 | 429 | 500..=599 => (ErrorKind::Unavailable, true),
        300..=399 => (ErrorKind::Refused, false),
        _ => (ErrorKind::Refused, flagged),
    }
}

/// A body, and what the error object in it says, if it is one.
struct Body {
    text: String,
    flagged: bool,
    has_id: bool,
}

fn bodies() -> Vec<Body> {
    // Where there is no error object, nothing is flagged.
    let plain = |text: &str| Body {
        text: text.to_owned(),
        flagged: false,
        has_id: false,
    };
    let object = |temporary: &str, timeout: &str, flagged| Body {
        text: format!(
            r#"{{"id":"err_1","name":"n","message":"m","temporary":{temporary},"timeout":{timeout}}}"#
        ),
        flagged,
        has_id: true,
    };
    // Members that stand alone.
    let flags = |text: &str, flagged| Body {
        flagged,
        ..plain(text)
    };
    vec![
        plain(""),
        plain("<html>"),
        plain("[]"),
        plain("{"),
        plain(&"x".repeat(70_000)),
        plain(r#"{"token":"t","expires_in":900}"#),
        plain(&(object("true", "true", true).text + "}")),
        plain(r#"{"id":"err_1","id":"err_2","temporary":true}"#),
        object("false", "false", false),
        object("true", "false", true),
        object("false", "true", true),
        object("true", "true", true),
        object("1", "\"true\"", false),
        object("null", "{}", false),
        flags(r#"{"temporary":true}"#, true),
        flags(r#"{"timeout":true,"temporary":false}"#, true),
        flags(r#"{"temporary":"true","timeout":1}"#, false),
    ]
}

#[tokio::test]
async fn every_status_has_its_documented_kind_with_any_error_object() {
    let edges = [
        100, 101, 199, 204, 300, 301, 304, 307, 399, 400, 401, 403, 404, 407, 408, 409, 418, 424,
        425, 426, 428, 429, 430, 499, 500, 502, 503, 504, 599, 600, 999,
    ];
    let all: Vec<u16> = (100..=199).chain([204]).chain(300..=999).collect();
    for body in bodies() {
        // An object with one flag set gets every status, the others the edges.
        let one_flag = body.flagged && body.text.contains("false");
        let statuses = if one_flag { &all[..] } else { &edges };
        for &status in statuses {
            let case = format!("{status} {}", body.text);
            let error = answer(status, body.text.clone()).await.unwrap_err();
            let (kind, transient) = expected(status, body.flagged);
            assert_eq!(error.kind(), kind, "{case}");
            assert_eq!(error.is_transient(), transient, "{case}");
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(error.to_string().contains(&status.to_string()), "{error}");
            // Of a redirect nothing but the status is looked at.
            let is_read = !(200..400).contains(&status);
            assert_eq!(error.error_id().is_some(), body.has_id && is_read, "{case}");
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
async fn refused_credentials_say_what_to_check() {
    let error = answer(401, "").await.unwrap_err().to_string();
    // Whose they are; where they come from, only their provider knows.
    assert!(error.contains("client id \"client-1\""), "{error}");
    assert!(error.contains("check both values"), "{error}");
    assert!(error.contains("Fiskil Console"), "{error}");
}
