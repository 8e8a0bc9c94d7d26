//! What gRPC adds to HTTP/2: its media type, its statuses and its messages.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

/// In which form a caller understands answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// The gRPC statuses that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Unavailable,
    Unauthenticated,
}

/// What the headers or trailers of an answer say of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Status 16: its token was rejected.
    Unauthenticated,
    /// Another status but 0.
    Failed,
    /// Status 0, or none yet.
    Fine,
}

impl Protocol {
    /// That of a message with these headers: gRPC's media type is
    /// `application/grpc`, with or without a suffix.
    #[inline]
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let grpc = headers.get(CONTENT_TYPE).is_some_and(|value| {
            let prefix = value.as_bytes().get(..MEDIA_TYPE.len());
            prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()))
        });
        match grpc {
            true => Self::Grpc,
            false => Self::Http,
        }
    }
}

impl Verdict {
    /// That of an answer's headers, or its trailers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(STATUS) {
            None => Self::Fine,
            Some(status) if status == Status::Unauthenticated.code() => Self::Unauthenticated,
            Some(status) if status == OK => Self::Fine,
            Some(_) => Self::Failed,
        }
    }
}

impl Status {
    fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "14",
            Self::Unauthenticated => "16",
        }
    }
}

/// Makes these the headers of an answer that has nothing but a status
/// ("Trailers-Only" in gRPC over HTTP/2).
pub(crate) fn set_status(headers: &mut HeaderMap, status: Status, message: &str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(STATUS, HeaderValue::from_static(status.code()));
    if let Ok(message) = HeaderValue::from_str(&percent_encode(message)) {
        headers.insert(MESSAGE, message);
    }
}

/// As `grpc-message` wants it: visible ASCII and spaces but for `%`, all else
/// percent-encoded (gRPC over HTTP/2, "Responses").
fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

const MEDIA_TYPE: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const OK: &str = "0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_percent_signs_and_what_is_not_ascii() {
        let encoded = percent_encode("100 % schön\n~");
        assert_eq!(encoded, "100 %25 sch%C3%B6n%0A~");
    }
}
