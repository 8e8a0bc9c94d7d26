//! Any URI: what carries the token is at an allowed origin, to WHATWG's parser
//! of URLs, too.

use std::convert::Infallible;
use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, Token, TokenRequest};
use http::{Request, Response, Uri};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt, service_fn};
use url::Url;

const ALLOWED: [&str; 4] = [
    "https://api.fiskil.com",
    "https://proxy.example:8443",
    "http://127.0.0.1",
    "https://[::1]",
];

thread_local! {
    static LAYER: (Runtime, FiskilAuthLayer) = {
        let service = service_fn(|_: TokenRequest| async {
            Ok::<_, BoxError>(Token::new("t", Duration::from_secs(86_400))?)
        });
        let mut layer = FiskilAuthLayer::with_token_service(Credentials::new("i", "s"), service);
        for origin in ALLOWED {
            layer = layer.allow_origin(origin).unwrap();
        }
        (Builder::new_current_thread().enable_time().build().unwrap(), layer)
    };
}

/// The input: a URI.
pub(crate) fn check(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else {
        return;
    };
    // Without an authority it names no origin at all.
    if uri.authority().is_none() || !carries(&uri) {
        return;
    }
    let url = Url::parse(&uri.to_string()).unwrap();
    assert!(
        url.username().is_empty() && url.password().is_none(),
        "{uri}"
    );
    let allowed = ALLOWED.map(|origin| Url::parse(origin).unwrap().origin());
    assert!(allowed.contains(&url.origin()), "{uri}");
}

fn carries(uri: &Uri) -> bool {
    let api = service_fn(|request: Request<()>| async move {
        let mut answer = Response::new(());
        *answer.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(answer)
    });
    LAYER.with(|(runtime, layer)| {
        let request = Request::get(uri).body(()).unwrap();
        let answer = runtime.block_on(layer.layer(api).oneshot(request)).unwrap();
        answer.headers().contains_key("authorization")
    })
}
