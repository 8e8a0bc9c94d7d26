//! The request that a `TokenClient` sends shows no secret, whoever logs it, and
//! its body is an ordinary one to HTTP clients.
//!
//! Mutations caught: a derived `Debug`; a length left out; the bytes sent twice.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fiskil_auth::{BoxError, Credentials, TokenClient, TokenRequest, TokenRequestBody};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const SECRET: &str = "hush-hush-hush";

/// What a `TokenClient` sends, and what a layer above the HTTP client logs of it.
async fn sent() -> (Request<TokenRequestBody>, String) {
    let seen = Arc::new(Mutex::new(None));
    let logged = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&logged);
    let http = ServiceBuilder::new()
        .map_request(move |request: Request<TokenRequestBody>| {
            *log.lock().unwrap() = format!("{request:?} {request:#?} {:?}", request.body());
            request
        })
        .service(service_fn({
            let seen = Arc::clone(&seen);
            move |request: Request<TokenRequestBody>| {
                *seen.lock().unwrap() = Some(request);
                async { Err::<Response<Full<Bytes>>, BoxError>("no".into()) }
            }
        }));
    let request = TokenRequest::new(Credentials::new("client-1", SECRET));
    TokenClient::new(http).oneshot(request).await.unwrap_err();
    let logged = logged.lock().unwrap().clone();
    let seen = seen.lock().unwrap().take();
    (seen.unwrap(), logged)
}

#[tokio::test]
async fn a_layer_that_logs_the_request_shows_no_secret() {
    let (_, logged) = sent().await;
    assert!(
        logged.contains("/v1/token") && logged.contains("TokenRequestBody"),
        "{logged}"
    );
    assert!(!logged.contains("hush"), "{logged}");
    // Nor as numbers, as a `Vec<u8>` is printed.
    assert!(!logged.contains("104, 117, 115, 104"), "{logged}");
}

#[tokio::test]
async fn the_body_knows_its_length_and_comes_whole_and_once() {
    let (request, _) = sent().await;
    let mut body = request.into_body();
    let json = format!(r#"{{"client_id":"client-1","client_secret":"{SECRET}"}}"#);
    assert_eq!(body.as_bytes(), json.as_bytes());
    assert_eq!(body.size_hint().exact(), Some(json.len() as u64));
    assert!(!body.is_end_stream());
    let clone = body.clone();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), json);
    assert!(body.is_end_stream() && body.as_bytes().is_empty());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
    // A clone that was made before is another whole body, as a retry needs it.
    assert_eq!(clone.collect().await.unwrap().to_bytes(), json);
}

#[tokio::test]
async fn a_clone_shares_the_memory_that_is_wiped() {
    let (request, _) = sent().await;
    let body = request.into_body();
    let clone = body.clone();
    assert_eq!(body.as_bytes().as_ptr(), clone.as_bytes().as_ptr());
    assert_eq!(body.as_bytes().as_ptr(), body.as_bytes().clone().as_ptr());
}

#[tokio::test]
async fn a_client_with_bodies_of_its_own_takes_it() {
    let (request, _) = sent().await;
    let body = reqwest::Body::wrap(request.into_body());
    assert!(body.size_hint().exact().is_some());
}
