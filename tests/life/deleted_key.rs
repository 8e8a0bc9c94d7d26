//! A key that is deleted together with its tokens, while the provider goes on
//! handing it out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::Sandbox;
use fiskil_auth::{BoxError, Error, ErrorKind, FiskilAuthLayer, TokenClient};
use http::{Request, StatusCode};
use http_body_util::Empty;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use crate::SECOND;
use crate::support::layer_over;

/// A user's service and its sandbox.
struct World {
    sandbox: Sandbox,
    provided: Arc<Mutex<fiskil_auth::Credentials>>,
    layer: FiskilAuthLayer,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let provided = Arc::new(Mutex::new(sandbox.credentials()));
        let provider = {
            let provided = provided.clone();
            move || {
                let pair = provided.lock().unwrap().clone();
                async { Ok::<_, BoxError>(pair) }
            }
        };
        let client = TokenClient::new(sandbox.service());
        let layer = layer_over(provider, client);
        Self {
            sandbox,
            provided,
            layer,
        }
    }

    /// What a request is answered, and whether by the layer.
    async fn get(&self) -> (StatusCode, Option<ErrorKind>) {
        let request = Request::get("/v1/end-users").body(Empty::<Bytes>::new());
        let service = self.layer.layer(self.sandbox.service());
        let response = service.oneshot(request.unwrap()).await.unwrap();
        let error = response.extensions().get().map(Error::kind);
        (response.status(), error)
    }
}

/// Where a dead token was not told from a denied route, 890 s of 401s went through
/// while the readiness probe said that all is well.
#[tokio::test(start_paused = true)]
async fn a_key_deleted_with_its_tokens_turns_probes_red_within_two_seconds() {
    let world = World::new();
    let cache = world.layer.tokens();
    assert_eq!(world.get().await.0, StatusCode::OK);
    let next = world.sandbox.rotate_credentials();
    world.sandbox.revoke_tokens();

    let deleted = Instant::now();
    assert_eq!(world.get().await, (StatusCode::UNAUTHORIZED, None));
    let error = cache.token().await.unwrap_err();
    assert!(deleted.elapsed() <= 2 * SECOND);
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));

    // For as long as it would have lived, requests get the API's own answer, at
    // once; and nobody says that all is well.
    while deleted.elapsed() < Duration::from_secs(880) {
        let asked = Instant::now();
        assert_eq!(world.get().await, (StatusCode::UNAUTHORIZED, None));
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(cache.token().await.unwrap_err().kind(), ErrorKind::Refused);
        let status = cache.status();
        assert!(status.suspect);
        assert_eq!(status.last_error.unwrap().kind(), ErrorKind::Refused);
        sleep(SECOND / 2).await;
    }
    // 1, 2, 4, 8 and 16 s apart at first, then 24 to 30 s.
    let exchanges = world.sandbox.counts().exchanges;
    assert!((30..=43).contains(&exchanges), "{exchanges}");
    sleep(11 * SECOND).await;
    let refused = (StatusCode::BAD_GATEWAY, Some(ErrorKind::Refused));
    assert_eq!(world.get().await, refused);

    *world.provided.lock().unwrap() = next;
    recovers(&world).await;
}

/// The same when the next pair comes while the dead token would still have lived.
#[tokio::test(start_paused = true)]
async fn a_pair_that_is_replaced_in_time_cures_it_within_the_backoff() {
    let world = World::new();
    assert_eq!(world.get().await.0, StatusCode::OK);
    let next = world.sandbox.rotate_credentials();
    world.sandbox.revoke_tokens();
    for _ in 0..200 {
        assert_eq!(world.get().await, (StatusCode::UNAUTHORIZED, None));
        sleep(SECOND / 2).await;
    }
    *world.provided.lock().unwrap() = next;
    recovers(&world).await;
}

async fn recovers(world: &World) {
    let (cache, from) = (world.layer.tokens(), Instant::now());
    while world.get().await.0 != StatusCode::OK {
        assert!(from.elapsed() <= 31 * SECOND);
        sleep(SECOND / 10).await;
    }
    cache.token().await.unwrap();
    let status = cache.status();
    assert!(!status.suspect && status.last_error.is_none());
}
