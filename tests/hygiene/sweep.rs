//! `Debug` and `Display` of everything public, at every stage of its life.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{
    BoxError, Credentials, CredentialsFile, Error, ErrorKind, FiskilAuthLayer, Token, TokenClient,
    TokenRequest,
};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::canary::Canaries;
use crate::log;
use crate::support::printed;
use crate::table::{self, PRINTED};
use crate::{SECRET, TOKEN};

fn canaries() -> Canaries {
    Canaries::new([SECRET, TOKEN])
}

#[track_caller]
fn assert_clean(canaries: &Canaries, shown: &dyn Debug) {
    let text = format!("{shown:?} {shown:#?}");
    // An empty text would prove nothing.
    assert!(text.len() > 5, "{text}");
    canaries.assert_absent("Debug", &text);
}

fn token() -> Token {
    Token::new(TOKEN, Duration::from_secs(900)).unwrap()
}

#[test]
fn everything_public_shows_no_secret_or_token() {
    log::capture();
    let canaries = table::canaries();
    for (name, print) in PRINTED {
        let text = print();
        assert!(text.len() > 5, "{name}: {text}");
        canaries.assert_absent(name, &text);
    }
}

#[test]
fn credentials_tokens_and_requests_show_no_secret_or_token() {
    let credentials = Credentials::new("client-1", SECRET);
    let mut request = TokenRequest::new(credentials.clone());
    request.rejected = Some(token());
    for shown in [
        &credentials as &dyn Debug,
        &token(),
        &request,
        &token().header_value(),
        &TokenClient::new(()),
        &CredentialsFile::new("/vault/secrets/fiskil.json"),
        &ErrorKind::Refused,
    ] {
        assert_clean(&canaries(), shown);
    }
}

#[test]
fn errors_about_tokens_and_uris_show_no_secret_or_token() {
    let invalid = |value: &str| Token::new(value, Duration::ZERO).unwrap_err();
    let layer = FiskilAuthLayer::new(Credentials::new("client-1", SECRET));
    let errors = [
        invalid(&format!("{TOKEN} {TOKEN}")),
        invalid(&TOKEN.repeat(500)),
        invalid(&format!("{TOKEN}\u{e9}")),
        layer
            .clone()
            .allow_origin(format!("https://{SECRET}@h/"))
            .unwrap_err(),
        layer
            .allow_origin(format!("{SECRET} {SECRET}"))
            .unwrap_err(),
        FiskilAuthLayer::with_base_url(
            Credentials::new("client-1", SECRET),
            format!("https://h/?secret={SECRET}"),
        )
        .unwrap_err(),
        TokenClient::new(())
            .endpoint(format!("https://h/?secret={SECRET}"))
            .unwrap_err(),
    ];
    for error in &errors {
        canaries().assert_absent("an error", &printed(error));
        let boxed: BoxError = error.clone().into();
        assert_clean(&canaries(), &boxed);
    }
}

/// At every stage of a token's life, and of requests that carry it.
#[tokio::test(start_paused = true)]
async fn the_layer_its_service_future_and_cache_show_no_secret_or_token() {
    let canaries = canaries();
    let tokens = service_fn(|request: TokenRequest| async move {
        assert!(
            request
                .rejected
                .is_none_or(|rejected| rejected.lifetime() > Duration::ZERO)
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, BoxError>(token())
    });
    let credentials = Credentials::new("client-1", SECRET);
    let layer = FiskilAuthLayer::with_token_service(credentials, tokens);
    // Layers beneath may print the request.
    let api = {
        let canaries = canaries.clone();
        service_fn(move |request: Request<()>| {
            assert_clean(&canaries, &request);
            assert_clean(&canaries, &request.headers());
            let value = request.headers().get("authorization").unwrap();
            assert!(value.is_sensitive());
            let status = match request.uri().path() {
                "/rejects" => StatusCode::UNAUTHORIZED,
                _ => StatusCode::OK,
            };
            async move {
                Response::builder()
                    .status(status)
                    .body(Full::<Bytes>::default())
            }
        })
    };
    let mut service = layer.layer(tower::util::BoxCloneService::new(api));
    let cache = layer.tokens();
    let sweep = |future: &dyn Debug| {
        assert_clean(&canaries, &layer);
        assert_clean(&canaries, &layer.layer("inner"));
        assert_clean(&canaries, &cache);
        assert_clean(&canaries, &cache.status());
        assert_clean(&canaries, future);
    };
    for path in ["/", "/", "/rejects", "/", "/"] {
        let request = Request::get(path).body(()).unwrap();
        let mut future = Box::pin(service.ready().await.unwrap().call(request));
        sweep(&future);
        let polled = future.as_mut().now_or_never();
        sweep(&future);
        let response = match polled {
            Some(response) => response.unwrap(),
            None => future.await.unwrap(),
        };
        sweep(&response);
        sweep(&response.body());
    }
    cache.invalidate(&cache.token().await.unwrap());
    sweep(&"invalidated");
    assert_eq!(cache.status().rejections, 1);
}

#[tokio::test]
async fn the_sandbox_shows_no_secret_or_token() {
    let sandbox = Sandbox::new();
    let pair = sandbox.credentials();
    let secret = pair.expose_secret();
    let body = format!(
        r#"{{"client_id":"{}","client_secret":"{secret}"}}"#,
        pair.client_id()
    );
    let exchange = Request::post("/v1/token")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body));
    let answer = sandbox.service().oneshot(exchange.unwrap()).await.unwrap();
    let shown = format!("{answer:?} {:?}", answer.body());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let issued = body["token"].as_str().unwrap().to_owned();
    sandbox.fail_next_exchanges(1, Fault::Body(issued.clone().into()));

    let canaries = canaries().and_generated([secret, &issued]);
    canaries.assert_absent("an answer", &shown);
    for shown in [
        &sandbox as &dyn Debug,
        &sandbox.service(),
        &sandbox.serve_https().await.unwrap(),
        &sandbox.last_exchange(),
        &sandbox.counts(),
        &Fault::Body(issued.clone().into()),
        &Fault::Answer(
            Response::builder()
                .header("x", &issued)
                .body(issued.into())
                .unwrap(),
        ),
    ] {
        assert_clean(&canaries, shown);
    }
}

#[test]
fn a_clone_of_an_error_shows_no_token() {
    let error: Error = Token::new(format!("{TOKEN}\n"), Duration::ZERO).unwrap_err();
    canaries().assert_absent("a clone", &printed(&error.clone()));
}
