//! A token that is revoked before it expires, and a caller that does not notice.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add http
//! cargo add tokio --features full
//! cargo add tower --features retry,util
//!
//! A sandbox over HTTPS on loopback stands in for Fiskil, which revokes no token on
//! demand. For production, leave out `--features sandbox` and all that needs it.

use std::time::Duration;

use fiskil_auth::BoxError;
use fiskil_auth::retry::RetryUnauthorized;
use fiskil_auth::sandbox::{Fault, Sandbox};
use http::{Request, StatusCode};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await?;
    // For Fiskil itself: `FiskilAuthLayer::from_env()?`, an HTTP client (see the example
    // `hyper_client`) in the place of `server.client()`, and URIs that begin with
    // `https://api.fiskil.com`.
    let layer = server.layer();
    let tokens = layer.tokens();

    let api = ServiceBuilder::new()
        // Above the layer, so that a request that is sent again gets the next token.
        // `retry_transient` is optional: it waits while the token endpoint fails.
        .retry(RetryUnauthorized::new().retry_transient(Duration::from_secs(5)))
        .layer(layer)
        .service(server.client::<String>());
    let get = async || -> Result<StatusCode, BoxError> {
        let uri = format!("{}/v1/end-users", server.base_url());
        let request = Request::get(uri).body(String::new())?;
        Ok(api.clone().oneshot(request).await?.status())
    };

    println!("1. A request: {}", get().await?);

    println!("2. Fiskil revokes the token, and another request goes out");
    sandbox.revoke_tokens();
    let status = get().await?;
    println!("   {status}, for the caller's one call");
    assert_eq!(status, StatusCode::OK);
    // Fiskil answered 401 once, and the request was sent again with the next token.
    assert_eq!(sandbox.counts().unauthorized, 1);
    assert_eq!(tokens.status().generation, 2);

    println!("3. The token is given up, and the token endpoint fails once");
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    tokens.invalidate(&tokens.token().await?);
    let status = get().await?;
    println!("   {status}, after a wait of about a second");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tokens.status().failures, 1);

    println!("\nWhat the sandbox saw:\n{}", sandbox.log());
    Ok(())
}
