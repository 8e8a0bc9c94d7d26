//! What an answer of the token endpoint means: a token, or which error.

use std::borrow::Cow;
use std::time::Duration;

use http::{Response, StatusCode, Uri};
use http_body::Body;
use serde_json::Value;

use super::body::{self, Incomplete};
use super::refusal;
use crate::json::{self, Member};
use crate::{BoxError, Error, ErrorKind, Token, TokenRequest};

pub(super) async fn read<R>(
    response: Response<R>,
    request: &TokenRequest,
    endpoint: &Uri,
) -> Result<Token, Error>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    let status = head.status;
    if status == StatusCode::NO_CONTENT {
        return Err(unusable(status, "it has no content").transient(false));
    }
    if status.is_success() {
        let body = body::read(body)
            .await
            .map_err(|incomplete| cut_short(status, incomplete, request))?;
        return token(&body).map_err(|problem| unusable(status, problem));
    }
    if status.is_redirection() {
        return Err(refusal::redirect(status, endpoint));
    }
    // The status decides, also where the body is of no use or does not come.
    let body = body::read_for(ERROR_BODY_TIMEOUT, body)
        .await
        .unwrap_or_default();
    Err(refusal::describe(&head, &body, request, endpoint))
}

type Problem = Cow<'static, str>;

fn token(body: &[u8]) -> Result<Token, Problem> {
    let names = ["token", "access_token", "token_type", "expires_in"];
    let [token, access_token, token_type, expires_in] =
        json::members(body, names).map_err(describe)?;
    let token = text(&token, "its `token` is not a string")?;
    let access_token = text(&access_token, "its `access_token` is not a string")?;
    let value = match (token, access_token) {
        (Some(token), Some(access_token)) if token != access_token => {
            return Err("its `token` and `access_token` differ".into());
        }
        (Some(value), _) | (None, Some(value)) => value,
        (None, None) => return Err("it has no `token`".into()),
    };
    let scheme = text(&token_type, "its `token_type` is not a string")?;
    if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("bearer")) {
        return Err("its `token_type` is not Bearer".into());
    }
    let expires_in = match expires_in {
        None => DEFAULT_LIFETIME,
        Some(value) => seconds(value.value())
            .ok_or("its `expires_in` is not a number of seconds, 1 or more")?,
    };
    Token::new(value, expires_in).map_err(|error| error.to_string().into())
}

fn describe(problem: json::Problem) -> Problem {
    match problem {
        json::Problem::Empty => "its body is empty",
        json::Problem::NotAnObject => "its body is not a JSON object",
        json::Problem::BreaksOff => "its JSON breaks off",
        json::Problem::MemberTwice => "its JSON has a member twice",
        json::Problem::Invalid => "its body is not valid JSON",
    }
    .into()
}

fn text<'a>(
    member: &'a Option<Member>,
    problem: &'static str,
) -> Result<Option<&'a str>, &'static str> {
    match member {
        None => Ok(None),
        Some(member) => member.value().as_str().map(Some).ok_or(problem),
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    // Also refuses NaN; infinity is what the parser makes of 1e400 or "inf".
    if !(1.0..f64::INFINITY).contains(&seconds) {
        return None;
    }
    // What is too much for a `Duration` is more than a token's cap.
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn unusable(status: StatusCode, problem: impl Into<Problem>) -> Error {
    let problem = problem.into();
    Error::new(
        ErrorKind::InvalidAnswer,
        format!(
            "the token endpoint answered with success, but {problem}: check what answers there"
        ),
    )
    .with_answer(status, None, None)
}

fn cut_short(status: StatusCode, incomplete: Incomplete, request: &TokenRequest) -> Error {
    match incomplete {
        Incomplete::TooLong => unusable(status, "its body is longer than 64 KiB"),
        Incomplete::Broken { source, received } => {
            // A part of the token may be among what arrived.
            let received = String::from_utf8_lossy(&received);
            let secret = Some(&*received).filter(|received| received.len() > PREAMBLE);
            Error::foreign(
                ErrorKind::Unavailable,
                "the connection broke in the middle of the token endpoint's answer",
                source,
                &request.secrets().and(secret),
            )
            .with_answer(status, None, None)
        }
    }
}

/// For an answer without `expires_in`: shorter than any lifetime that Fiskil
/// has documented (600, 900 and 3600 s).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What precedes the token, as in `{"token":"`: no secret by itself.
const PREAMBLE: usize = 10;

/// The body only says more about an error that is certain by then.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);
