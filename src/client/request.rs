//! The request that carries the credentials.

use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use serde_core::Serializer;
use zeroize::Zeroizing;

use super::TokenRequestBody;
use crate::{Credentials, Error, ErrorKind};

/// The request as Fiskil documents it, or an error for malformed credentials.
pub(super) fn build(
    endpoint: &Uri,
    credentials: &Credentials,
) -> Result<Request<TokenRequestBody>, Error> {
    credentials.validate()?;
    let mut request = Request::new(TokenRequestBody::new(json(credentials)?));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static(JSON));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    Ok(request)
}

/// The body, wiped when the HTTP client drops it.
fn json(credentials: &Credentials) -> Result<Zeroizing<Vec<u8>>, Error> {
    let id = credentials.client_id();
    let secret = credentials.expose_secret();
    // Room for a backslash before every character: were it to grow, the old
    // allocation would be freed with the secret in it.
    let length = id
        .len()
        .saturating_add(secret.len())
        .saturating_mul(2)
        .saturating_add(FRAME);
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    serde_json::Serializer::new(&mut *body)
        .collect_map([("client_id", id), ("client_secret", secret)])
        .map_err(|_| {
            Error::new(
                ErrorKind::Credentials,
                "the credentials can't be written as JSON",
            )
        })?;
    Ok(body)
}

const JSON: &str = "application/json; charset=UTF-8";

/// Fiskil's Console shows it in the log of requests.
const AGENT: &str = concat!("fiskil-auth/", env!("CARGO_PKG_VERSION"));

/// More than the names, quotes and braces around the two values.
const FRAME: usize = 64;
