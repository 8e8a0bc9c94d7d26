//! A token that is revoked before it expires, and a caller that does not notice.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! which revokes no token on demand; otherwise to a sandbox, which does.
#![allow(clippy::print_stdout)]

mod support;

use std::time::Duration;

use fiskil_auth::retry::RetryUnauthorized;
use fiskil_auth::sandbox::Fault;
use http::{Request, StatusCode};
use support::{Fiskil, Outcome, check};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth with RetryUnauthorized\n");
    let fiskil = Fiskil::from_env().await?;
    let layer = fiskil.layer(fiskil.credentials()?)?;
    let tokens = layer.tokens();
    let api = ServiceBuilder::new()
        // Above the layer, so that a request that is sent again gets the next token.
        // `retry_transient` is optional: it waits while the token endpoint fails.
        .retry(RetryUnauthorized::new().retry_transient(Duration::from_secs(5)))
        .layer(layer)
        .service(fiskil.https_client::<String>()?);
    let get = async || -> Outcome<StatusCode> {
        let uri = format!("{}/v1/end-users", fiskil.base_url());
        let request = Request::get(uri).body(String::new())?;
        Ok(api.clone().oneshot(request).await?.status())
    };

    println!(" 1. A request");
    check(get().await? == StatusCode::OK, "200 OK")?;

    let Some(sandbox) = fiskil.sandbox() else {
        println!("\nThe rest needs tokens that are revoked on demand: a sandbox.");
        return Ok(());
    };

    println!("\n 2. Fiskil revokes the token, and another request goes out");
    sandbox.revoke_tokens();
    check(
        get().await? == StatusCode::OK,
        "200 OK, for the caller's one call",
    )?;
    check(
        sandbox.counts().unauthorized == 1,
        "Fiskil answered 401 once, and the caller did not see it",
    )?;
    check(
        tokens.status().generation == 2,
        "the request was sent again with the second token",
    )?;

    println!("\n 3. The token is given up, and the token endpoint fails");
    let unavailable = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
    sandbox.fail_next_exchanges(1, unavailable);
    tokens.invalidate(&tokens.token().await?);
    check(
        get().await? == StatusCode::OK,
        "200 OK, after a wait of about a second",
    )?;
    let status = tokens.status();
    check(
        (status.fetches, status.failures) == (4, 1),
        "of four exchanges one had failed",
    )
}
