//! Answers other than success, as errors.

use http::{StatusCode, Uri, response};

use super::retry_after;
use crate::json::{self, Member};
use crate::redact::Secrets;
use crate::shown::shown;
use crate::{Credentials, Error, ErrorKind, TokenRequest};

/// A redirect is the end of it: the secret in the body would go along.
pub(super) fn redirect(status: StatusCode, endpoint: &Uri) -> Error {
    let text = format!(
        "{} answered with a redirect, and redirects are not followed: \
         configure the address that it leads to",
        shown(endpoint)
    );
    Error::new(ErrorKind::Refused, text).with_answer(status, None, None)
}

/// The error for a status that is neither success nor a redirect, with what
/// may be shown of Fiskil's error object.
pub(super) fn describe(
    head: &response::Parts,
    body: &[u8],
    request: &TokenRequest,
    endpoint: &Uri,
) -> Error {
    let status = head.status;
    let object = ErrorObject::read(body);
    let secrets = request.secrets().and(object.tokens());
    let plain = |member: &Option<Member>| {
        let text = text_of(member).filter(|text| is_plain(text))?;
        (!secrets.is_revealed_by(text)).then(|| text.into())
    };
    let error = classify(status, &request.credentials, &secrets, endpoint);
    let transient = error.is_transient() || object.is_temporary();
    error
        .transient(transient)
        .with_answer(status, plain(&object.id), plain(&object.name))
        .with_retry_at(retry_after::read(status, &head.headers))
}

/// Fiskil's error object, every member of which may be missing or odd. Its
/// `message` is never read.
struct ErrorObject {
    id: Option<Member>,
    name: Option<Member>,
    temporary: Option<Member>,
    timeout: Option<Member>,
    /// Read only so that they are not shown.
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

    fn tokens(&self) -> impl Iterator<Item = &str> {
        [&self.token, &self.access_token]
            .into_iter()
            .filter_map(text_of)
    }
}

fn text_of(member: &Option<Member>) -> Option<&str> {
    member.as_ref()?.value().as_str()
}

/// Whether the text is an identifier, and no prose.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

fn classify(
    status: StatusCode,
    credentials: &Credentials,
    secrets: &Secrets<'_>,
    endpoint: &Uri,
) -> Error {
    match status.as_u16() {
        401 => {
            // A client id that was mixed up with the secret is not shown.
            let named = credentials.name();
            let named = match secrets.is_revealed_by(&named) {
                true => "credentials".to_owned(),
                false => named,
            };
            let text = format!(
                "the token endpoint refused the {named}: check both values, or generate a new pair \
                 in the Fiskil Console"
            );
            Error::new(ErrorKind::Refused, text)
        }
        404 => {
            let endpoint = shown(endpoint);
            let text = format!("there is no token endpoint at {endpoint}: check the path");
            Error::new(ErrorKind::Refused, text)
        }
        429 => Error::new(
            ErrorKind::Unavailable,
            "the token endpoint limits the rate of exchanges",
        ),
        408 | 425 | 500..=599 => Error::new(
            ErrorKind::Unavailable,
            "the token endpoint failed or is overloaded",
        ),
        400..=499 => Error::new(
            ErrorKind::Refused,
            "the token endpoint refused the exchange: Fiskil's support can tell why by the error id",
        ),
        _ => {
            let endpoint = shown(endpoint);
            let text =
                format!("{endpoint} answered with an unexpected status: check what answers there");
            Error::new(ErrorKind::Refused, text)
        }
    }
}
