//! A token service or a credentials provider that panics.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use fiskil_auth::{BoxError, ErrorKind, FiskilAuthLayer, Token, TokenRequest};
use http::{Request, StatusCode};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Api, credentials, error, layer_over, sent, token};

/// A token service that panics at one place, until it is switched off.
#[derive(Clone)]
struct Panics {
    place: &'static str,
    on: Arc<AtomicBool>,
}

impl Panics {
    fn at(place: &'static str) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        Self { place, on }
    }

    fn pass(&self, place: &str) {
        assert!(
            self.place != place || !self.on.load(Ordering::SeqCst),
            "told to"
        );
    }
}

impl Service<TokenRequest> for Panics {
    type Response = Token;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.pass("poll_ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        self.pass("call");
        let this = self.clone();
        Box::pin(async move {
            this.pass("poll");
            Ok(token(1))
        })
    }
}

/// The same, with a panic when it is cloned.
struct PanickingClone(Panics);

impl Clone for PanickingClone {
    fn clone(&self) -> Self {
        self.0.pass("clone");
        Self(self.0.clone())
    }
}

impl Service<TokenRequest> for PanickingClone {
    type Response = Token;
    type Error = BoxError;
    type Future = <Panics as Service<TokenRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        self.0.call(request)
    }
}

async fn a_panic_ends_one_fetch(layer: FiskilAuthLayer, panics: &Panics) {
    let place = panics.place;
    let service = layer.layer(Api::default());
    let (one, other) = tokio::join!(
        service.clone().oneshot(Request::new(())),
        service.clone().oneshot(Request::new(())),
    );
    for response in [one.unwrap(), other.unwrap()] {
        assert_eq!(
            response.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{place}"
        );
        assert_eq!(error(&response).kind(), ErrorKind::TokenService, "{place}");
        assert!(
            !format!("{:?}", error(&response)).contains("told to"),
            "{place}"
        );
    }
    panics.on.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(sent(&response), "t1", "{place}");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_token_service_ends_one_fetch_only() {
    for place in ["poll_ready", "call", "poll"] {
        let panics = Panics::at(place);
        let layer = layer_over(credentials(), panics.clone());
        a_panic_ends_one_fetch(layer, &panics).await;
    }
    let panics = Panics::at("clone");
    let service = PanickingClone(panics.clone());
    let layer = layer_over(credentials(), service);
    a_panic_ends_one_fetch(layer, &panics).await;
}

#[tokio::test(start_paused = true)]
async fn a_panicking_credentials_provider_ends_one_fetch_only() {
    for place in ["call of the provider", "poll of the provider"] {
        let panics = Panics::at(place);
        let provider = {
            let panics = panics.clone();
            move || {
                panics.pass("call of the provider");
                let panics = panics.clone();
                async move {
                    panics.pass("poll of the provider");
                    Ok::<_, BoxError>(credentials())
                }
            }
        };
        let layer = layer_over(provider, panics.clone());
        a_panic_ends_one_fetch(layer, &panics).await;
    }
}
