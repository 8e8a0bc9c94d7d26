//! `FiskilAuthLayer::authorize`: what a client beside the layer gets, and what it
//! reports, is what the layer's own services get and do.
//!
//! Guarantees 1 (one fetch), 5 (rejections) and 11 (scope), for such clients.
//!
//! Mutations caught: a token put on a request that may not carry it, or left there by
//! an earlier call; a success that
//! clears nothing, or clears a later suspicion; a 401 that is not reported, or that
//! is always worth another request; a renewal that is due and not started.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod support;

use std::time::Duration;

use fiskil_auth::{Error, ErrorKind, FiskilAuthLayer, Resend, TokenCache};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, Request, StatusCode, header::AUTHORIZATION};
use support::{Api, Tokens, carried, layer, settle};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

const FISKIL: &str = "https://api.fiskil.com/v1/end-users";
const SECOND: Duration = Duration::from_secs(1);

/// A request to `uri`: what it carries, and how the report of `status` is answered.
async fn send(
    layer: &FiskilAuthLayer,
    uri: &str,
    status: StatusCode,
) -> Result<(String, Resend), Error> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, "Bearer callers-own".parse().unwrap());
    let authorized = layer.authorize(uri, &mut headers).await?;
    Ok((carried(&headers), authorized.report(status)))
}

async fn expect(layer: &FiskilAuthLayer, status: StatusCode, token: &str, resend: Resend) {
    let (carried, again) = send(layer, FISKIL, status).await.unwrap();
    assert_eq!((carried.as_str(), again), (token, resend));
}

fn counts(cache: &TokenCache) -> (u64, u64, bool) {
    let status = cache.status();
    (status.fetches, status.rejections, status.suspect)
}

#[tokio::test(start_paused = true)]
async fn the_same_uris_carry_the_token_are_refused_or_pass_as_in_the_layer() {
    let tokens = Tokens::new();
    let strict = layer(&tokens);
    let more = || strict.clone().allow_origin("https://mirror.example");
    let layers = [
        strict.clone(),
        strict.clone().pass_other_origins(),
        strict.clone().any_origin(),
        strict.clone().inbound(),
        more().unwrap(),
    ];
    let uris = [
        FISKIL,
        "https://API.fiskil.com:443/",
        "http://api.fiskil.com/",
        "https://api.fiskil.com.evil.example/",
        "https://api.fiskil.com@evil.example/",
        "https://mirror.example/v1",
        "http://mirror.example/v1",
        "mirror.example:443",
    ];
    let (mut refused, mut passed, mut authorized) = (0, 0, 0);
    for layer in &layers {
        for uri in uris {
            let request = Request::get(uri).header(AUTHORIZATION, "Bearer callers-own");
            let response = layer
                .layer(Api::default())
                .oneshot(request.body(()).unwrap());
            let response = response.await.unwrap();
            let ours = send(layer, uri, StatusCode::OK).await;
            let Ok((carried, _)) = ours else {
                let error: &Error = response.extensions().get().unwrap();
                assert_eq!(ours.unwrap_err().to_string(), error.to_string());
                refused += 1;
                continue;
            };
            assert_eq!(carried, support::sent(&response), "{uri}");
            match carried.as_str() {
                "callers-own" => passed += 1,
                _ => authorized += 1,
            }
        }
    }
    assert_eq!((refused, passed, authorized), (16, 5, 19));
}

#[tokio::test(start_paused = true)]
async fn headers_that_were_authorized_before_take_no_token_to_another_origin() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let mut headers = HeaderMap::new();
    for elsewhere in [
        "https://elsewhere.example/",
        "http://api.fiskil.com/",
        "/v1",
        "//evil",
    ] {
        for (layer, renews) in [(&layer, false), (&layer.clone().pass_other_origins(), true)] {
            let _ = layer.authorize(FISKIL, &mut headers).await.unwrap();
            assert!(carried(&headers).starts_with('t'));
            if renews {
                // That of a while ago is no less a token.
                layer.tokens().refresh().await.unwrap();
            }
            let _ = layer.authorize(elsewhere, &mut headers).await;
            assert!(!headers.contains_key(AUTHORIZATION), "{elsewhere}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_uri_or_names_no_origin_and_headers_that_are_full_are_errors() {
    let layer = layer(&Tokens::new()).any_origin();
    for uri in ["https://", "/v1/end-users", "//evil.example/", "*"] {
        let error = send(&layer, uri, StatusCode::OK).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{uri}");
    }

    let mut headers = HeaderMap::new();
    for n in 0.. {
        let name = HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
        if headers.try_insert(name, "".parse().unwrap()).is_err() {
            break;
        }
    }
    let error = layer.authorize(FISKIL, &mut headers).await.unwrap_err();
    assert!(error.to_string().contains("headers"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn many_requests_wait_for_one_exchange() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND);
    let layer = layer(&tokens);
    // Dropping the first changes nothing for the others.
    let mut headers = HeaderMap::new();
    let first = layer.authorize(FISKIL, &mut headers);
    assert!(tokio::time::timeout(SECOND / 2, first).await.is_err());
    let all = (0..100).map(|_| send(&layer, FISKIL, StatusCode::OK));
    for answer in join_all(all).await {
        assert_eq!(answer.unwrap().0, "t1");
    }
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_is_the_error() {
    let tokens = Tokens::new();
    tokens.fail("down");
    let error = send(&layer(&tokens), FISKIL, StatusCode::OK).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TokenService);
}

#[tokio::test(start_paused = true)]
async fn a_401_renews_the_token_and_the_request_is_worth_sending_again() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND / 10);
    let layer = layer(&tokens);
    expect(&layer, StatusCode::UNAUTHORIZED, "t1", Resend::Another).await;
    assert_eq!(counts(&layer.tokens()), (2, 1, true));
    expect(&layer, StatusCode::OK, "t2", Resend::Same).await;
    assert_eq!(counts(&layer.tokens()), (2, 1, false));
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_the_same_token_would_go_out_again() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    for token in ["t1", "t2", "t3"] {
        expect(&layer, StatusCode::UNAUTHORIZED, token, Resend::Another).await;
        settle().await;
    }
    expect(&layer, StatusCode::UNAUTHORIZED, "t4", Resend::Same).await;
    settle().await;
    assert_eq!(tokens.exchanges(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_success_clears_what_was_suspect_when_its_request_was_sent_and_nothing_later() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    let before = layer
        .authorize(FISKIL, &mut HeaderMap::new())
        .await
        .unwrap();
    tokens.fail("down");
    expect(&layer, StatusCode::UNAUTHORIZED, "t1", Resend::Another).await;
    settle().await;
    let _ = before.report(StatusCode::OK);
    assert!(cache.status().suspect);
    // Other answers say nothing of the token.
    expect(&layer, StatusCode::NOT_FOUND, "t1", Resend::Same).await;
    assert!(cache.status().suspect);
    expect(&layer, StatusCode::OK, "t1", Resend::Same).await;
    assert!(!cache.status().suspect);
}

#[tokio::test(start_paused = true)]
async fn a_request_past_the_refresh_point_starts_the_renewal() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    expect(&layer, StatusCode::OK, "t1", Resend::Same).await;
    sleep(730 * SECOND).await;
    expect(&layer, StatusCode::OK, "t1", Resend::Same).await;
    settle().await;
    expect(&layer, StatusCode::OK, "t2", Resend::Same).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_passes_without_the_token_says_nothing_of_it() {
    let layer = layer(&Tokens::new()).pass_other_origins();
    let (carried, resend) = send(&layer, "https://mirror.example", StatusCode::UNAUTHORIZED)
        .await
        .unwrap();
    assert_eq!((carried.as_str(), resend), ("callers-own", Resend::Same));
    settle().await;
    assert_eq!(counts(&layer.tokens()), (0, 0, false));
}

#[test]
fn its_future_can_be_spawned() {
    fn assert_send<T: Send>(_: T) {}
    let layer = layer(&Tokens::new());
    assert_send(layer.authorize(FISKIL, &mut HeaderMap::new()));
}
