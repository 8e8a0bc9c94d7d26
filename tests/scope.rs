//! Which requests carry the token, and which must not.
//!
//! Guarantee 11 (the token goes to allowed origins only).
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use fiskil_auth::{Error, ErrorKind, FiskilAuthLayer};
use http::{Method, Request, StatusCode, header::AUTHORIZATION};
use support::{Api, Tokens, layer, sent, settle};
use tower::{Layer, ServiceExt};

/// The `Authorization` that reached the API, from a request with a header of its
/// own, or the kind of the failure.
async fn send(layer: &FiskilAuthLayer, method: Method, uri: &str) -> Result<String, ErrorKind> {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(AUTHORIZATION, "Bearer callers-own")
        .body(())
        .unwrap();
    let response = layer.layer(Api::default()).oneshot(request).await.unwrap();
    match response.extensions().get::<Error>() {
        None => Ok(sent(&response).to_owned()),
        Some(error) => {
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
            Err(error.kind())
        }
    }
}

async fn assert_all(layer: &FiskilAuthLayer, uris: &[&str], expected: Result<&str, ErrorKind>) {
    for uri in uris {
        let seen = send(layer, Method::GET, uri).await;
        assert_eq!(seen.as_deref().map_err(|kind| *kind), expected, "{uri}");
    }
}

/// Refused, or untouched where the layer was told to let them pass.
async fn assert_other(layer: &FiskilAuthLayer, uris: &[&str]) {
    assert_all(layer, uris, REFUSED).await;
    assert_all(&layer.clone().pass_other_origins(), uris, UNTOUCHED).await;
}

const TOKEN: Result<&str, ErrorKind> = Ok("t1");
const UNTOUCHED: Result<&str, ErrorKind> = Ok("callers-own");
const REFUSED: Result<&str, ErrorKind> = Err(ErrorKind::Configuration);

#[tokio::test(start_paused = true)]
async fn requests_that_name_no_origin_carry_the_token() {
    let layer = layer(&Tokens::new());
    // The last is a path that begins with two slashes, and no host.
    let uris = ["/", "/v1/end-users?a=b", "*", "//evil.example/x"];
    assert_all(&layer, &uris, TOKEN).await;
    assert_eq!(
        send(&layer, Method::OPTIONS, "*").await.as_deref(),
        Ok("t1")
    );
}

#[tokio::test(start_paused = true)]
async fn fiskils_origin_gets_the_token_however_it_is_spelled() {
    let uris = [
        "https://api.fiskil.com",
        "https://api.fiskil.com/v1/end-users",
        "https://api.fiskil.com:443/",
        "https://API.Fiskil.COM/",
        "HTTPS://api.fiskil.com/",
        "https://api.fiskil.com:0443/",
    ];
    assert_all(&layer(&Tokens::new()), &uris, TOKEN).await;
}

#[tokio::test(start_paused = true)]
async fn other_origins_are_refused_or_pass_untouched_if_told_so() {
    let tokens = Tokens::new();
    let uris = [
        "https://fiskil.com/",
        "https://api.fiskil.com.evil.example/",
        "https://evil-api.fiskil.com/",
        "https://api.fiskil.com./",
        "https://api.fiskil.com:8443/",
        "https://api.fiskil.com:80/",
        "https://api.fiskil.com:/",
        "https://api.fiskil.com:99999/",
        "https://user@api.fiskil.com/",
        "https://user:password@api.fiskil.com/",
        "https://api.fiskil.com@evil.example/",
        "https://xn--fiskil-9sf.com/",
        "https://[::1]/",
        "ftp://api.fiskil.com/",
        "http://elsewhere.example/",
        "http://api.fiskil.com:8080/",
        "http://api.fiskil.com./",
        "http://user@api.fiskil.com/",
        // A host alone, as CONNECT names it.
        "api.fiskil.com:443",
        "api.fiskil.com",
    ];
    assert_other(&layer(&tokens), &uris).await;
    assert_eq!(tokens.exchanges(), 0);
}

#[tokio::test(start_paused = true)]
async fn connect_never_carries_the_token_and_is_refused_or_passes_as_others_do() {
    let layer = layer(&Tokens::new());
    for layer in [
        &layer,
        &layer.clone().any_origin(),
        &layer.clone().inbound(),
    ] {
        for uri in ["api.fiskil.com:443", "https://api.fiskil.com/"] {
            let seen = send(layer, Method::CONNECT, uri).await;
            assert_eq!(seen, Err(ErrorKind::Configuration), "{uri}");
            let passing = layer.clone().pass_other_origins();
            let seen = send(&passing, Method::CONNECT, uri).await;
            assert_eq!(seen.as_deref(), Ok("callers-own"), "{uri}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_to_an_allowed_origin_fails_before_any_fetch() {
    let tokens = Tokens::new();
    let layer = layer(&tokens)
        .allow_origin("https://proxy.example:8443")
        .unwrap();
    let uris = [
        "http://api.fiskil.com/v1/end-users",
        "http://api.fiskil.com:80/",
        "http://api.fiskil.com:443/",
        "http://API.fiskil.com/",
        // These are no ports: refused, rather than sent without encryption.
        "http://api.fiskil.com:99999/",
        "http://api.fiskil.com:/",
        "http://proxy.example/",
        "http://proxy.example:8443/",
    ];
    assert_all(&layer, &uris, REFUSED).await;
    assert_all(&layer.clone().pass_other_origins(), &uris, REFUSED).await;
    settle().await;
    assert_eq!(tokens.exchanges(), 0);
}

#[tokio::test(start_paused = true)]
async fn further_origins_can_be_allowed_and_loopback_over_plain_http() {
    let layer = layer(&Tokens::new())
        .allow_origin("https://proxy.example:8443/some/path?a=b")
        .unwrap()
        .allow_origin("http://127.0.0.1:3000")
        .unwrap()
        .allow_origin("http://[::1]:3000")
        .unwrap()
        .allow_origin("http://LOCALHOST")
        .unwrap();
    let carried = [
        "https://proxy.example:8443/",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000/",
        "http://localhost:80/",
        "https://api.fiskil.com/",
    ];
    assert_all(&layer, &carried, TOKEN).await;
    let untouched = [
        "https://proxy.example/",
        "http://127.0.0.1:3001/",
        "http://127.0.0.2:3000/",
        "https://127.0.0.1:3000/",
    ];
    assert_other(&layer, &untouched).await;
}

#[tokio::test(start_paused = true)]
async fn an_origin_is_allowed_as_it_is_spelled_and_no_other_way() {
    let layer = layer(&Tokens::new())
        .allow_origin("https://[::1]")
        .unwrap()
        .allow_origin("https://dotted.example.")
        .unwrap()
        .allow_origin("https://xn--mnchen-3ya.example")
        .unwrap();
    let carried = [
        "https://[::1]/",
        "https://[::1]:443/",
        "https://dotted.example./",
        "https://xn--mnchen-3ya.example/",
        "https://XN--MNCHEN-3YA.example/",
    ];
    assert_all(&layer, &carried, TOKEN).await;
    let untouched = [
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::0001]/",
        "https://dotted.example/",
        "https://mnchen.example/",
    ];
    assert_other(&layer, &untouched).await;
    // Unicode's spelling is none to the parser, of origins and of requests.
    let unicode = "https://m\u{fc}nchen.example/";
    assert!(unicode.parse::<http::Uri>().is_err());
    let error = layer.allow_origin(unicode).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn any_origin_still_means_https() {
    let layer = layer(&Tokens::new()).any_origin();
    assert_all(
        &layer,
        &["https://elsewhere.example/", "https://[::1]:8443/"],
        TOKEN,
    )
    .await;
    let refused = [
        "http://elsewhere.example/",
        "http://127.0.0.1/",
        "http://api.fiskil.com/",
    ];
    assert_all(&layer, &refused, REFUSED).await;
    assert_all(&layer.clone().pass_other_origins(), &refused, REFUSED).await;
    let untouched = [
        "https://user@elsewhere.example/",
        "https://elsewhere.example:99999/",
        "https://:443/",
    ];
    assert_other(&layer, &untouched).await;
    let layer = layer.allow_origin("http://127.0.0.1").unwrap();
    assert_all(&layer, &["http://127.0.0.1/"], TOKEN).await;
}

#[tokio::test(start_paused = true)]
async fn on_a_servers_side_every_request_carries_the_token() {
    let layer = layer(&Tokens::new()).inbound();
    let uris = [
        "/",
        "*",
        "http://gateway.internal/x",
        "https://gateway.internal:8443/x",
        "https://user@api.fiskil.com/",
        "http://api.fiskil.com/",
    ];
    assert_all(&layer, &uris, TOKEN).await;
    assert_all(&layer.pass_other_origins(), &uris, TOKEN).await;
}

#[test]
fn malformed_origins_are_refused_at_once_and_not_echoed() {
    let layer = layer(&Tokens::new());
    for uri in [
        "",
        "/v1",
        "api.fiskil.com",
        "https://",
        "http://api.fiskil.com",
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://localhost.example",
        "ws://localhost",
        "https://h:99999",
        "https://h:",
        "https://user:pass-word@h",
        "https://a b",
    ] {
        let error = layer.clone().allow_origin(uri).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{uri}");
        assert!(!format!("{error:?} {error}").contains("pass-word"));
    }
    // An origin may be a `Uri`, too.
    let uri: http::Uri = "https://api.fiskil.com".parse().unwrap();
    layer.allow_origin(uri).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_header_is_marked_sensitive_and_replaces_all_that_came() {
    let layer = layer(&Tokens::new());
    let api = tower::service_fn(async |request: Request<()>| {
        let values: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
        let [value] = values.as_slice() else {
            panic!("{} values", values.len());
        };
        assert!(value.is_sensitive());
        assert_eq!(*value, "Bearer t1");
        Ok::<_, std::convert::Infallible>(http::Response::new(()))
    });
    for _ in 0..2 {
        let request = Request::get("/")
            .header(AUTHORIZATION, "Basic one")
            .header(AUTHORIZATION, "Basic another")
            .body(())
            .unwrap();
        layer.layer(api).oneshot(request).await.unwrap();
    }
}
