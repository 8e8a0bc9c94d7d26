//! Any answer of the token endpoint, in any pieces: it is a token or an error,
//! and the error gives nothing away.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::{
    Credentials, Error, ErrorKind, Token, TokenClient, TokenRequest, TokenRequestBody,
};
use futures_util::{FutureExt, stream};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{ServiceExt, service_fn};

const SECRET: &str = "Zk7Qw2Xr9Tb4Vn8Lm1Hj6Pd3Gs5Fc0Ya";
const REJECTED: &str = "uE3xR8oW1cM6zA5kI0yN7vB2tD9jS4hG";

/// The input: two bytes for the status, one for the length of the pieces, one for
/// where the body breaks off, if it does, a line for `Retry-After`, and the body. In
/// the body, 0xFF and 0xFE stand for the secret and the rejected token.
pub(crate) fn check(data: &[u8]) {
    let [high, low, piece, cut, rest @ ..] = data else {
        return;
    };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 900;
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let (line, body) = rest.split_at(end);
    let mut content = Vec::new();
    for byte in body.iter().skip(1) {
        match byte {
            0xff => content.extend(SECRET.bytes()),
            0xfe => content.extend(REJECTED.bytes()),
            other => content.push(*other),
        }
    }

    let mut frames: Vec<_> = content
        .chunks(usize::from(*piece).max(1))
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    if cut % 4 == 0 {
        frames.truncate(usize::from(*cut));
        let text = format!("broken after {}", String::from_utf8_lossy(&content));
        frames.push(Err(io::Error::other(text)));
    }
    let mut answer = Response::new(StreamBody::new(stream::iter(frames)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Ok(value) = HeaderValue::from_bytes(line) {
        answer.headers_mut().insert("retry-after", value);
    }

    let mut answer = Some(answer);
    let http = service_fn(move |_: Request<TokenRequestBody>| {
        let answer = answer.take().unwrap();
        async { Ok::<_, io::Error>(answer) }
    });
    let mut request = TokenRequest::new(Credentials::new("client-1", SECRET));
    request.rejected = Some(Token::new(REJECTED, Duration::from_secs(900)).unwrap());
    match TokenClient::new(http)
        .oneshot(request)
        .now_or_never()
        .unwrap()
    {
        Ok(token) => check_token(status, &token),
        Err(error) => check_error(status, &error),
    }
}

fn check_token(status: u16, token: &Token) {
    assert!((200..300).contains(&status) && status != 204);
    let value = token.header_value();
    assert!(value.is_sensitive());
    let value = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    assert!((1..=8192).contains(&value.len()));
    assert!(value.bytes().all(|byte| byte.is_ascii_graphic()));
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
    assert!((second..=day).contains(&token.lifetime()));
}

fn check_error(status: u16, error: &Error) {
    assert!(matches!(
        error.kind(),
        ErrorKind::Refused | ErrorKind::Unavailable | ErrorKind::InvalidAnswer
    ));
    assert_eq!(error.status().unwrap().as_u16(), status);
    assert!(error.to_string().len() < 4096);
    for part in [error.error_id(), error.error_name()].into_iter().flatten() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        assert!((1..=128).contains(&part.len()) && part.bytes().all(plain));
    }
    if let Some(wait) = error.retry_after() {
        assert!(status == 429 || status == 503);
        assert!(wait <= Duration::from_secs(86_400));
    }
    let mut text = format!("{error} {error:?}");
    if let Some(source) = std::error::Error::source(error) {
        text += &format!("{source} {source:?}");
    }
    for secret in [SECRET, REJECTED] {
        for piece in secret.as_bytes().windows(8) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!text.contains(piece), "{text}");
        }
    }
}
