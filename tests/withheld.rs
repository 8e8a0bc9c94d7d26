//! No error quotes a secret or a token that was in use lately, whoever it is
//! from.
//!
//! Breaks of the source that these tests catch: not remembering tokens, pairs,
//! or more than the latest of them; passing this crate's own errors on unseen;
//! showing the id or the name, or keeping the source, in spite of what is in it;
//! a chain of sources that is searched in part only.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::convert::Infallible;
use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fiskil_auth::{
    BoxError, Credentials, Error, FiskilAuthLayer, TokenClient, TokenRequest, TokenRequestBody,
};
use http::{Request, Response};
use http_body_util::Full;
use support::{Tokens, credentials};
use tower::{ServiceExt, service_fn};

const FIRST: &str = "yMWExQ7rT2bV9nK4";
const SECOND: &str = "pL8sD3fG6hJ1zX5c";
const THIRD: &str = "uN2wE7oI4aR9tB6m";

/// A layer whose token endpoint gives the nth of these answers to the nth
/// exchange.
fn answering(answers: Vec<(u16, String)>) -> FiskilAuthLayer {
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let http = service_fn(move |_: Request<TokenRequestBody>| {
        let (status, body) = answers.lock().unwrap().next().unwrap();
        let answer = Response::builder().status(status).body(body).unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    FiskilAuthLayer::with_token_service(credentials(), TokenClient::new(http))
}

fn token(value: &str) -> (u16, String) {
    (200, format!(r#"{{"token":"{value}","expires_in":900}}"#))
}

fn refusal(id: &str, name: &str) -> (u16, String) {
    (400, format!(r#"{{"id":"{id}","name":"{name}"}}"#))
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_echoes_the_token_in_use_or_the_one_before_does_not_show_it() {
    for echo in [FIRST, SECOND] {
        for (id, name) in [(echo, "unauthorized"), ("err_1", echo)] {
            let layer = answering(vec![token(FIRST), token(SECOND), refusal(id, name)]);
            let cache = layer.tokens();
            cache.refresh().await.unwrap();
            cache.refresh().await.unwrap();
            let error = cache.refresh().await.unwrap_err();
            assert_eq!(error.error_id(), (id != echo).then_some(id));
            assert_eq!(error.error_name(), (name != echo).then_some(name));
            assert!(!format!("{error} {error:?}").contains(echo));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_show_the_token_that_is_in_the_same_answer() {
    for member in ["token", "access_token"] {
        let body = format!(r#"{{"id":"err_{THIRD}","name":"denied","{member}":"{THIRD}"}}"#);
        let error = answering(vec![(400, body)]).tokens().token().await;
        let error = error.unwrap_err();
        assert_eq!(error.error_id(), None);
        assert_eq!(error.error_name(), Some("denied"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_quotes_the_token_in_use_loses_its_source() {
    let tokens = Tokens::new();
    tokens.answer(|n| async move {
        match n {
            1 => Ok(fiskil_auth::Token::new(FIRST, support::token(1).lifetime()).unwrap()),
            2 => Err(format!("could not replace {FIRST}").into()),
            _ => Err("no route to host".into()),
        }
    });
    let cache = support::layer(&tokens).tokens();
    cache.refresh().await.unwrap();
    let error = cache.refresh().await.unwrap_err();
    assert!(error.source().is_none(), "{error:?}");
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let error = cache.refresh().await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "no route to host");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_quotes_the_pair_in_use_or_the_one_before_loses_its_source() {
    for (quoted, kept) in [(FIRST, false), (SECOND, false), ("permission denied", true)] {
        let asked = AtomicU32::new(0);
        let provider = move || {
            let answer: Result<_, BoxError> = match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(Credentials::new("id", FIRST)),
                1 => Ok(Credentials::new("id", SECOND)),
                _ => Err(format!("vault: {quoted}").into()),
            };
            async { answer }
        };
        let cache = FiskilAuthLayer::with_token_service(provider, Tokens::new()).tokens();
        cache.refresh().await.unwrap();
        cache.refresh().await.unwrap();
        let error = cache.refresh().await.unwrap_err();
        assert_eq!(error.source().is_some(), kept, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_client_that_is_never_ready_and_quotes_the_secret_loses_its_source() {
    /// Fails where the request that it would complain of is not known yet.
    #[derive(Clone)]
    struct NeverReady(&'static str);
    impl tower::Service<Request<TokenRequestBody>> for NeverReady {
        type Response = Response<Full<Bytes>>;
        type Error = BoxError;
        type Future = std::future::Pending<Result<Self::Response, BoxError>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Err(self.0.into()))
        }

        fn call(&mut self, _: Request<TokenRequestBody>) -> Self::Future {
            unreachable!()
        }
    }

    for (text, kept) in [
        ("the last secret was client-secret", false),
        ("closed", true),
    ] {
        let client = TokenClient::new(NeverReady(text));
        let layer = FiskilAuthLayer::with_token_service(credentials(), client);
        let error = layer.tokens().token().await.unwrap_err();
        assert_eq!(error.source().is_some(), kept, "{error:?}");
    }
}

#[tokio::test]
async fn a_token_client_by_itself_withholds_what_its_request_has() {
    let http = service_fn(|_: Request<TokenRequestBody>| async {
        Err::<Response<Full<Bytes>>, _>("cannot send client-secret")
    });
    let request = TokenRequest::new(credentials());
    let error: Error = TokenClient::new(http).oneshot(request).await.unwrap_err();
    assert!(error.source().is_none());
}

/// An error with a hundred sources, the last of which says this.
#[derive(Debug)]
struct Deep(u32, &'static str);

impl std::fmt::Display for Deep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0 == 0 { self.1 } else { "deeper" })
    }
}

impl std::error::Error for Deep {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Each is made for the occasion, so that `Debug` of one shows no other.
        (self.0 > 0).then(|| -> &(dyn std::error::Error + 'static) {
            Box::leak(Box::new(Self(
                self.0.saturating_sub(1),
                if self.0 == 1 { TEXT } else { "" },
            )))
        })
    }
}

const TEXT: &str = "the secret is client-secret";

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_too_long_to_be_searched_is_withheld() {
    for (depth, kept) in [(100, false), (31, false), (3, false), (0, true)] {
        let tokens = Tokens::new();
        tokens.answer(move |_| async move { Err(Deep(depth, "no route to host").into()) });
        let error = support::layer(&tokens).tokens().token().await.unwrap_err();
        assert_eq!(error.source().is_some(), kept, "{depth}");
    }
}

/// An error that can only be shown by `Debug`.
#[derive(Debug)]
struct Mute(#[allow(dead_code)] &'static str);

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

impl std::error::Error for Mute {}

#[tokio::test(start_paused = true)]
async fn an_error_that_can_not_be_displayed_is_searched_all_the_same() {
    for (text, kept) in [(TEXT, false), ("no route to host", true)] {
        let tokens = Tokens::new();
        tokens.answer(move |_| async move { Err(Mute(text).into()) });
        let error = support::layer(&tokens).tokens().token().await.unwrap_err();
        assert_eq!(error.source().is_some(), kept, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lists_the_bytes_of_the_secret_is_withheld() {
    let tokens = Tokens::new();
    tokens.answer(|_| async {
        let answer = [b"\xff: ", "client-secret".as_bytes()].concat();
        Err(String::from_utf8(answer).unwrap_err().into())
    });
    let error = support::layer(&tokens).tokens().token().await.unwrap_err();
    assert!(error.source().is_none(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_made_for_the_purpose_is_searched_as_any_other() {
    for (text, kept) in [(TEXT, false), ("the vault is sealed", true)] {
        let tokens = Tokens::new();
        tokens.answer(move |_| async move { Err(Error::other(text).permanent().into()) });
        let error = support::layer(&tokens).tokens().token().await.unwrap_err();
        assert_eq!(error.source().is_some(), kept, "{error:?}");
        assert!(!error.is_transient());
    }
}
