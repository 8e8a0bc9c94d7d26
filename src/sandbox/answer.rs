//! Answers as Fiskil writes them: content type, JSON and error objects.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::SandboxBody;
use super::random::uuid;

/// An answer with Fiskil's content type.
pub(super) fn json(status: StatusCode, body: impl Into<SandboxBody>) -> Response<SandboxBody> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    answer
}

/// Fiskil's error object with an id of its own.
pub(super) fn error(status: StatusCode, message: &str) -> Response<SandboxBody> {
    named_error(status, &error_name(status), message)
}

/// For a request without a live token.
pub(super) fn unauthorized() -> Response<SandboxBody> {
    error(
        StatusCode::UNAUTHORIZED,
        "missing, invalid or expired token",
    )
}

/// For an exchange that no script has a step for: a permanent failure, so that who
/// waits for a token is told at once.
pub(super) fn beyond_script() -> Response<SandboxBody> {
    let message = "the script of the sandbox has no step left";
    named_error(StatusCode::GONE, "ScriptRanOut", message)
}

fn named_error(status: StatusCode, name: &str, message: &str) -> Response<SandboxBody> {
    let object = json!({
        "id": format!("err_{}", uuid()),
        "name": name,
        "message": message,
        "temporary": matches!(status.as_u16(), 429 | 502..=504),
        "timeout": matches!(status.as_u16(), 408 | 504),
        "fault": status.is_server_error(),
    });
    json(status, Bytes::from(object.to_string()))
}

pub(super) fn token(value: &str, lifetime: Duration) -> Response<SandboxBody> {
    let object = json!({
        "token": value,
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
    });
    json(StatusCode::OK, Bytes::from(object.to_string()))
}

pub(super) fn end_users() -> Response<SandboxBody> {
    let users = json!([
        {"id": "eu_1", "email": "ada@example.com", "name": "Ada Example", "phone": "+61491570006"},
        {"id": "eu_2", "email": "ben@example.com", "name": "Ben Example", "phone": "+61491570156"},
    ]);
    json(StatusCode::OK, Bytes::from(users.to_string()))
}

/// Fiskil documents the first two; the others are the status in words.
fn error_name(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized".into(),
        StatusCode::BAD_REQUEST => "InvalidRequest".into(),
        other => other
            .canonical_reason()
            .unwrap_or("Error")
            .replace(|c: char| !c.is_ascii_alphanumeric(), ""),
    }
}
