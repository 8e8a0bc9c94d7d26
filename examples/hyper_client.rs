//! The layer on hyper-util's HTTPS client.
//!
//! With `FISKIL_CLIENT_ID` and `FISKIL_CLIENT_SECRET` set it talks to Fiskil,
//! otherwise to a sandbox over HTTPS on loopback.
#![allow(clippy::print_stdout)]

mod support;

use bytes::Bytes;
use fiskil_auth::error_for_auth;
use http::Request;
use http_body_util::{BodyExt, Empty};
use support::{Fiskil, Outcome, check};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth on hyper-util's client\n");
    let fiskil = Fiskil::from_env().await?;
    let layer = fiskil.layer(fiskil.credentials()?)?;
    let tokens = layer.tokens();

    // One layer around the client, and no request needs to know of tokens. The
    // last line is for code that wants a missing token to be an `Err`.
    let mut client = ServiceBuilder::new()
        .layer(layer)
        .service(fiskil.https_client::<Empty<Bytes>>()?)
        .map_result(error_for_auth);

    for n in 1..=3 {
        let request = Request::get(format!("{}/v1/end-users", fiskil.base_url()))
            .header("x-fiskil-version", "v2")
            .body(Empty::new())?;
        let response = client.ready().await?.call(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("  request {n}: {status}, {} bytes", body.len());
        check(status.is_success(), "it carried a valid token")?;
    }
    check(
        tokens.status().fetches == 1,
        "one exchange of credentials served all three",
    )
}
