//! A fleet of processes, each with a layer of its own, on one store.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use tower::{Layer, ServiceExt, service_fn};

use super::endpoint::Endpoint;
use super::probe::Probe;
use crate::shared_tokens::SharedTokens;
use crate::shared_tokens::keys::Keys;
use crate::shared_tokens::memory::MemoryStore;
use crate::{Credentials, FiskilAuthLayer, TokenCache};

pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) endpoint: Endpoint,
    /// The tokens that the API does not accept.
    revoked: Arc<Mutex<Vec<String>>>,
}

/// One process.
pub(super) struct Process {
    pub(super) tokens: TokenCache,
    pub(super) store: Probe<MemoryStore>,
    layer: FiskilAuthLayer,
    revoked: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(super) fn new() -> Self {
        fastrand::seed(1);
        Self {
            store: MemoryStore::new(),
            endpoint: Endpoint::new(),
            revoked: Arc::default(),
        }
    }

    pub(super) fn process(&self) -> Process {
        self.process_with(credentials())
    }

    pub(super) fn process_with(&self, credentials: Credentials) -> Process {
        self.process_in(credentials, "fiskil-auth")
    }

    pub(super) fn process_in(&self, credentials: Credentials, namespace: &str) -> Process {
        let store = Probe::new(self.store.clone());
        let tokens = SharedTokens::over(store.clone())
            .namespace(namespace)
            .layer(self.endpoint.clone());
        let layer = FiskilAuthLayer::with_token_service(credentials, tokens);
        Process {
            tokens: layer.tokens(),
            store,
            layer,
            revoked: self.revoked.clone(),
        }
    }

    pub(super) fn processes(&self, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.process()).collect()
    }

    pub(super) fn revoke(&self, token: &str) {
        self.revoked.lock().unwrap().push(token.to_owned());
    }
}

impl Process {
    /// Sends a request. Returns the status, and the token that it carried.
    pub(super) async fn request(&self) -> (StatusCode, String) {
        let (status, carried) = self.request_to("/").await;
        (status, carried.unwrap_or_default())
    }

    /// A path that begins with `/denied` is always answered with 401.
    pub(super) async fn request_to(&self, path: &str) -> (StatusCode, Option<String>) {
        let revoked = self.revoked.clone();
        let api = service_fn(move |request: Request<()>| {
            let carried = carried(request.headers().get(AUTHORIZATION));
            let denied = request.uri().path().starts_with("/denied")
                || revoked.lock().unwrap().contains(&carried);
            let mut response = Response::new(());
            if denied {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            let value = HeaderValue::from_str(&carried).unwrap();
            response.headers_mut().insert("x-carried", value);
            async { Ok::<_, Infallible>(response) }
        });
        let request = Request::get(path).body(()).unwrap();
        let response = self.layer.layer(api).oneshot(request).await.unwrap();
        let carried = response.headers().get("x-carried");
        let carried = carried.map(|value| value.to_str().unwrap().to_owned());
        (response.status(), carried)
    }

    /// The token that the process would send now.
    pub(super) async fn token(&self) -> String {
        let token = self.tokens.token().await.unwrap();
        token.value().to_owned()
    }
}

pub(super) fn credentials() -> Credentials {
    Credentials::new("client-id", "client-secret")
}

pub(super) fn keys() -> Keys {
    Keys::new("fiskil-auth", &credentials()).unwrap()
}

fn carried(value: Option<&HeaderValue>) -> String {
    let value = value.map_or("", |value| value.to_str().unwrap());
    value.strip_prefix("Bearer ").unwrap_or(value).to_owned()
}
