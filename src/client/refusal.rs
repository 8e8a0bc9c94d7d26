//! Answers other than success, as errors.

use http::{StatusCode, response};

use super::retry_after;
use crate::json::{self, Member};
use crate::{Error, ErrorKind, TokenRequest, redact};

/// A redirect is the end of it: the secret in the body would go along.
pub(super) fn redirect(status: StatusCode) -> Error {
    Error::new(
        ErrorKind::Refused,
        "the token endpoint answered with a redirect, and redirects are not followed: \
         configure the address that it leads to",
    )
    .with_answer(status, None, None)
}

/// The error for a status that is neither success nor a redirect, with what
/// may be shown of Fiskil's error object.
pub(super) fn describe(head: &response::Parts, body: &[u8], request: &TokenRequest) -> Error {
    let status = head.status;
    let object = ErrorObject::read(body);
    let (kind, text) = classify(status);
    let error = Error::new(kind, text);
    let transient = error.is_transient() || object.is_temporary();
    let shown = |member: &Option<Member>| {
        let text = object.plain(member)?;
        (!request.is_revealed_by(text)).then(|| text.into())
    };
    error
        .transient(transient)
        .with_answer(status, shown(&object.id), shown(&object.name))
        .with_retry_at(retry_after::read(status, &head.headers))
}

/// Fiskil's error object, every member of which may be missing or odd. Its
/// `message` is never read.
struct ErrorObject {
    id: Option<Member>,
    name: Option<Member>,
    temporary: Option<Member>,
    timeout: Option<Member>,
    /// Of no use in a refusal, but nothing to show either.
    token: Option<Member>,
    access_token: Option<Member>,
}

impl ErrorObject {
    fn read(body: &[u8]) -> Self {
        let names = [
            "id",
            "name",
            "temporary",
            "timeout",
            "token",
            "access_token",
        ];
        let [id, name, temporary, timeout, token, access_token] =
            json::members(body, names).unwrap_or_default();
        Self {
            id,
            name,
            temporary,
            timeout,
            token,
            access_token,
        }
    }

    fn is_temporary(&self) -> bool {
        [&self.temporary, &self.timeout]
            .into_iter()
            .any(|flag| flag.as_ref().is_some_and(|flag| *flag.value() == true))
    }

    /// A member's text, if it is a plain identifier and no token of this answer.
    fn plain<'a>(&self, member: &'a Option<Member>) -> Option<&'a str> {
        let text = text_of(member)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let tokens = [&self.token, &self.access_token];
        let tokens = tokens.map(|token| text_of(token).unwrap_or_default());
        let shown = (1..=128).contains(&text.len())
            && text.bytes().all(plain)
            && !redact::reveals(text, &tokens);
        shown.then_some(text)
    }
}

fn text_of(member: &Option<Member>) -> Option<&str> {
    member.as_ref()?.value().as_str()
}

fn classify(status: StatusCode) -> (ErrorKind, &'static str) {
    match status.as_u16() {
        401 => (
            ErrorKind::Refused,
            "the token endpoint refused the credentials: check FISKIL_CLIENT_ID and \
             FISKIL_CLIENT_SECRET, or generate a new pair in the Fiskil Console",
        ),
        404 => (
            ErrorKind::Refused,
            "there is no token endpoint at this address: check its path",
        ),
        429 => (
            ErrorKind::Unavailable,
            "the token endpoint limits the rate of exchanges: share one layer instead of making several",
        ),
        408 | 425 | 500..=599 => (
            ErrorKind::Unavailable,
            "the token endpoint failed or is overloaded: try again later",
        ),
        400..=499 => (
            ErrorKind::Refused,
            "the token endpoint refused the exchange: Fiskil's support can tell why by the error id",
        ),
        _ => (
            ErrorKind::Refused,
            "the token endpoint answered with an unexpected status: check what answers there",
        ),
    }
}
