//! Any lifetime, from JSON or from a token service: no sum overflows, and no token
//! is used for longer than it lives.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::{
    BoxError, Credentials, FiskilAuthLayer, Token, TokenClient, TokenRequest, TokenRequestBody,
};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// The input: twelve bytes for a lifetime, eight for the time that passes, and the
/// JSON value of `expires_in`.
pub(crate) fn check(data: &[u8]) {
    let Some((numbers, json)) = data.split_at_checked(20) else {
        return;
    };
    let (seconds, rest) = numbers.split_at(8);
    let (nanos, passes) = rest.split_at(4);
    let seconds = u64::from_be_bytes(seconds.try_into().unwrap());
    let nanos = u32::from_be_bytes(nanos.try_into().unwrap()) % 1_000_000_000;
    let passes = u64::from_be_bytes(passes.try_into().unwrap());
    in_a_cache(
        Duration::new(seconds, nanos),
        Duration::from_millis(passes % 100_000_000),
    );
    in_json(json);
}

fn in_a_cache(lifetime: Duration, passes: Duration) {
    let service = service_fn(move |_: TokenRequest| async move {
        Ok::<_, BoxError>(Token::new("t", lifetime).unwrap())
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let layer = FiskilAuthLayer::with_token_service(Credentials::new("i", "s"), service);
        let cache = layer.tokens();
        let lifetime = lifetime.min(DAY);
        match cache.token().await {
            Ok(token) => assert_eq!(token.lifetime(), lifetime),
            // The wall clock is not paused: a short lifetime may be over already.
            Err(error) => {
                assert!(error.is_transient() && lifetime < SECOND, "{error}");
                return;
            }
        }
        let status = cache.status();
        let (Some(refresh), Some(expiry)) = (status.refresh_in, status.expires_in) else {
            assert!(lifetime < SECOND);
            return;
        };
        assert!(expiry <= lifetime);
        if lifetime >= SECOND {
            assert!(refresh <= expiry && refresh <= lifetime.mul_f64(0.801));
        } else {
            // One fetch a second, however short a life.
            assert!(refresh <= SECOND);
        }
        tokio::time::advance(passes).await;
        let status = cache.status();
        if passes >= lifetime {
            assert_eq!(status.expires_in, None);
        }
        let _ = cache.token().await;
        assert!(cache.status().fetches <= 2);
    });
}

fn in_json(json: &[u8]) {
    let body = [br#"{"token":"t","expires_in":"#, json, b"}"].concat();
    let mut answer = Some(Response::new(Full::new(Bytes::from(body))));
    let http = service_fn(move |_: Request<TokenRequestBody>| {
        let answer = answer.take().unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let request = TokenRequest::new(Credentials::new("i", "s"));
    let outcome = TokenClient::new(http)
        .oneshot(request)
        .now_or_never()
        .unwrap();
    if let Ok(token) = &outcome {
        assert!((SECOND..=DAY).contains(&token.lifetime()));
    }
    // A whole number is taken as it stands, up to a day.
    let text = std::str::from_utf8(json).unwrap_or_default();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (1..=9).contains(&text.len()) && !text.starts_with('0') {
        let expected = Duration::from_secs(text.parse().unwrap()).min(DAY);
        assert_eq!(outcome.unwrap().lifetime(), expected, "{text}");
    }
}
