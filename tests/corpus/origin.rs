//! Any URI: what carries the token is at an allowed origin, to WHATWG's parser
//! of URLs, too; and what certainly is at one does carry it.

use std::convert::Infallible;
use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, Error, FiskilAuthLayer, Token, TokenRequest};
use http::uri::Authority;
use http::{Request, Response, Uri};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt, service_fn};
use url::Url;

const ALLOWED: [&str; 4] = [
    "https://api.fiskil.com",
    "https://proxy.example:8443",
    "http://127.0.0.1",
    "https://[::1]",
];

/// Their hosts that are allowed over HTTPS only.
const ENCRYPTED: [&str; 3] = ["api.fiskil.com", "proxy.example", "[::1]"];

/// What `any_origin` allows, and the same over plain HTTP, which it refuses.
const ANY: [&str; 3] = [
    "https://elsewhere.example",
    "https://proxy.example:8443",
    "https://[::1]",
];
const ANY_PLAIN: [&str; 3] = [
    "http://elsewhere.example",
    "http://127.0.0.1",
    "http://api.fiskil.com",
];

/// The allowed origins over plain HTTP, which are refused.
const DOWNGRADED: [&str; 3] = [
    "http://api.fiskil.com",
    "http://proxy.example:8443",
    "http://[::1]",
];

struct Layers {
    runtime: Runtime,
    these: FiskilAuthLayer,
    any: FiskilAuthLayer,
}

thread_local! {
    static LAYERS: Layers = {
        let service = service_fn(|_: TokenRequest| async {
            Ok::<_, BoxError>(Token::new("t", Duration::from_secs(86_400))?)
        });
        let layer = FiskilAuthLayer::with_token_service(Credentials::new("i", "s"), service);
        let mut these = layer.clone();
        // The first is Fiskil's, which is allowed from the start.
        for origin in &ALLOWED[1..] {
            these = these.allow_origin(*origin).unwrap();
        }
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        Layers { runtime, these, any: layer.any_origin() }
    };
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
enum Fate {
    Carries,
    Untouched,
    Refused,
}

/// The input: a URI.
pub(crate) fn check(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else {
        return;
    };
    LAYERS.with(|layers| {
        check_these(data, &uri, &fate(layers, &layers.these, &uri));
        check_any(data, &uri, &fate(layers, &layers.any, &uri));
    });
}

fn check_these(data: &[u8], uri: &Uri, fate: &Fate) {
    check_certain(data, uri, fate, &ALLOWED, &DOWNGRADED);
    let Some(authority) = carried_to(uri, fate) else {
        return;
    };
    let is_encrypted = |host: &&str| host.eq_ignore_ascii_case(authority.host());
    let plain = uri.scheme_str() == Some("http");
    assert!(!(plain && ENCRYPTED.iter().any(is_encrypted)), "{uri}");
    let url = Url::parse(&uri.to_string()).unwrap();
    assert_no_user(&url);
    let allowed = ALLOWED.map(|origin| Url::parse(origin).unwrap().origin());
    assert!(allowed.contains(&url.origin()), "{uri}");
}

fn check_any(data: &[u8], uri: &Uri, fate: &Fate) {
    check_certain(data, uri, fate, &ANY, &ANY_PLAIN);
    let Some(authority) = carried_to(uri, fate) else {
        return;
    };
    assert_eq!(uri.scheme_str(), Some("https"), "{uri}");
    assert!(!authority.as_str().contains('@'), "{uri}");
    // WHATWG does not take all of these hosts for hosts: `1.2.3.4.5`, for one.
    if let Ok(url) = Url::parse(&uri.to_string()) {
        assert_eq!(url.scheme(), "https", "{uri}");
        assert_no_user(&url);
    }
}

/// Checks what certainly names one of these origins, or no origin at all.
fn check_certain(data: &[u8], uri: &Uri, fate: &Fate, carried: &[&str], refused: &[&str]) {
    if certainly_names(carried, data) || uri.authority().is_none() {
        assert_eq!(*fate, Fate::Carries, "{uri}");
    }
    if certainly_names(refused, data) {
        assert_eq!(*fate, Fate::Refused, "{uri}");
    }
}

/// The authority that the token went to, if it went to one.
fn carried_to<'a>(uri: &'a Uri, fate: &Fate) -> Option<&'a Authority> {
    uri.authority().filter(|_| *fate == Fate::Carries)
}

fn assert_no_user(url: &Url) {
    let no_user = url.username().is_empty() && url.password().is_none();
    assert!(no_user, "{url}");
}

/// Whether the input begins with one of the origins, byte by byte, and nothing
/// after it can be read as a part of it.
fn certainly_names(origins: &[&str], data: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    let mut rests = origins
        .iter()
        .filter_map(|origin| data.strip_prefix(origin.as_bytes()));
    rests.any(|rest| match rest {
        [] | [b'?'] => true,
        [b'/', path @ ..] => path.iter().all(plain),
        _ => false,
    })
}

fn fate(layers: &Layers, layer: &FiskilAuthLayer, uri: &Uri) -> Fate {
    let api = service_fn(|request: Request<()>| async move {
        let mut answer = Response::new(());
        *answer.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(answer)
    });
    let request = Request::get(uri).body(()).unwrap();
    let answer = layers.runtime.block_on(layer.layer(api).oneshot(request));
    let answer = answer.unwrap();
    if answer.headers().contains_key("authorization") {
        Fate::Carries
    } else if answer.extensions().get::<Error>().is_some() {
        Fate::Refused
    } else {
        Fate::Untouched
    }
}
