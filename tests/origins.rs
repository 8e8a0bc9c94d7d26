//! The origin rule against another parser's idea of URLs, WHATWG's: whatever
//! carries the token is, to that one too, at an allowed origin.
//!
//! Guarantee 11 (the token goes to allowed origins only).
//!
//! Mutations caught: userinfo let through, a port ignored or not checked, a host
//! compared by its beginning or its end, a scheme not compared.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::cell::Cell;

use fiskil_auth::FiskilAuthLayer;
use http::{Request, Uri};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use support::{Api, Tokens, layer, paused_runtime, sent};
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt};
use url::Url;

/// URIs like the allowed ones, and like those that deceive a parser.
fn uris() -> impl Strategy<Value = String> {
    let scheme = mostly(
        &["https", "HTTPS", "http"],
        &["ftp", "wss", "httpss", "https+x"],
    );
    let slashes = mostly(&["://"], &[":/", ":///", ":\\\\", ":"]);
    let user = mostly(
        &[""],
        &[
            "@",
            "user@",
            "u:p@",
            "api.fiskil.com@",
            "a%40",
            "\\@",
            "#@",
            "?@",
        ],
    );
    let host = mostly(
        &[
            "api.fiskil.com",
            "API.FISKIL.COM",
            "proxy.example",
            "127.0.0.1",
            "[::1]",
            "localhost",
        ],
        &[
            "api.fiskil.com.",
            "api.fiskil.com.evil.example",
            "evilapi.fiskil.com",
            "fiskil.com",
            "api%2Efiskil.com",
            "api.fiskil.com%00",
            "api.fiskil.co",
            "api。fiskil.com",
            "[::ffff:127.0.0.1]",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "LOCALHOST.",
            "",
            "-",
            "_",
            "proxy.example,api.fiskil.com",
            "xn--fiskil-9sf.com",
            "api.fiskil.com;x",
        ],
    );
    let port = mostly(
        &["", ":443", ":0443", ":80", ":8443"],
        &[
            ":",
            ":+443",
            ":99999",
            ":65979",
            ":443:8443",
            ":0",
            ":000000000000000000000443",
            ":4 43",
            ":-1",
            ":３",
        ],
    );
    let path = mostly(
        &["", "/", "/v1/end-users", "?q", "#f"],
        &[
            "/#@evil.example",
            "\\@evil.example/",
            "/@evil.example",
            "//evil.example",
            "/..//evil.example",
            "?@evil.example",
            ":@evil.example",
            "@evil.example/",
            "%2f@evil.example",
            ".evil.example/",
            ";@evil.example",
            "/\t",
        ],
    );
    let built = (scheme, slashes, user, host, port, path)
        .prop_map(|(a, b, c, d, e, f)| format!("{a}{b}{c}{d}{e}{f}"));
    // And any of them with a few more characters somewhere.
    let noise = (built.clone(), any::<prop::sample::Index>(), "[!-~]{1,3}").prop_map(
        |(mut uri, at, noise)| {
            let at = at.index(uri.len().saturating_add(1));
            if uri.is_char_boundary(at) {
                uri.insert_str(at, &noise);
            }
            uri
        },
    );
    prop_oneof![4 => built, 2 => noise, 1 => "https://[!-~]{0,20}"]
}

fn mostly(
    plain: &[&'static str],
    odd: &[&'static str],
) -> impl Strategy<Value = &'static str> + Clone + use<> {
    prop_oneof![4 => select(plain.to_vec()), 1 => select(odd.to_vec())]
}

fn carries(runtime: &Runtime, layer: &FiskilAuthLayer, uri: &Uri) -> bool {
    let request = Request::get(uri).body(()).unwrap();
    let answer = runtime
        .block_on(layer.layer(Api::default()).oneshot(request))
        .unwrap();
    // An answer of the layer's own has no such header.
    answer.headers().contains_key("x-carried") && sent(&answer) != "nothing"
}

/// What the `url` crate may say of a URI that carried the token.
#[derive(Clone, Copy, PartialEq)]
enum Parses {
    Always,
    /// What is no URL leads nowhere.
    OrIsNoUrl,
}

/// Runs the rule against the `url` crate, and returns how many URIs carried the
/// token.
fn compare(layer: &FiskilAuthLayer, parses: Parses, is_allowed: impl Fn(&Url) -> bool) -> u32 {
    let runtime = paused_runtime();
    let found = Cell::new(0_u32);
    TestRunner::new(Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&uris(), |text| {
        let Ok(uri) = text.parse::<Uri>() else {
            return Ok(());
        };
        // Without an authority it names no origin at all.
        if uri.authority().is_none() || !carries(&runtime, layer, &uri) {
            return Ok(());
        }
        found.set(found.get().saturating_add(1));
        // As it was written, and as it will be sent on.
        for text in [text, uri.to_string()] {
            let Ok(url) = Url::parse(&text) else {
                prop_assert!(parses == Parses::OrIsNoUrl, "{} is no URL", text);
                continue;
            };
            prop_assert!(
                url.username().is_empty() && url.password().is_none(),
                "{}",
                text
            );
            prop_assert!(is_allowed(&url), "{} is at {:?}", text, url.origin());
        }
        Ok(())
    })
    .unwrap();
    found.get()
}

#[test]
fn what_carries_the_token_is_at_an_allowed_origin_to_the_url_crate_too() {
    let allowed = [
        "https://api.fiskil.com",
        "https://proxy.example:8443",
        "http://127.0.0.1:80",
        "http://localhost:8443",
        "https://[::1]",
    ];
    let mut layer = layer(&Tokens::new());
    for origin in allowed {
        layer = layer.allow_origin(origin).unwrap();
    }
    let origins = allowed.map(|origin| Url::parse(origin).unwrap().origin());
    let found = compare(&layer, Parses::Always, |url| {
        origins.contains(&url.origin())
    });
    assert!(found > 100, "only {found} carried the token");
}

#[test]
fn with_any_origin_it_is_https_to_the_url_crate_too() {
    let layer = layer(&Tokens::new()).any_origin();
    let found = compare(&layer, Parses::OrIsNoUrl, |url| {
        url.scheme() == "https" && url.has_host()
    });
    assert!(found > 1000, "only {found} carried the token");
}
