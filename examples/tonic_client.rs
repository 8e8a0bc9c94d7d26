//! The layer on a tonic channel: each call carries a token, a missing token is
//! an ordinary `Status`, and a rejected one is renewed.
//!
//! Fiskil's API does not speak gRPC, so a server on loopback stands in for an API
//! that does and takes Fiskil's tokens. With `FISKIL_CLIENT_ID` and
//! `FISKIL_CLIENT_SECRET` set the tokens come from Fiskil, otherwise from a
//! sandbox.
#![allow(clippy::print_stdout)]

mod support;
#[path = "../tests/support/text.rs"]
mod text;
#[path = "support/whoami.rs"]
mod whoami;

use fiskil_auth::FiskilAuthLayer;
use support::{Fiskil, Outcome, check};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status};
use tower::ServiceBuilder;
use whoami::{WhoAmI, WhoAmIClient};

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth on a tonic channel\n");
    let fiskil = Fiskil::from_env().await?;
    let layer = fiskil.layer(fiskil.credentials()?)?;
    let tokens = layer.tokens();
    let server = WhoAmI::default();
    let channel = serve(server.clone()).await?;

    // One layer around the channel; a generated client takes it as it is.
    let service = ServiceBuilder::new().layer(layer).service(channel.clone());
    let mut client = WhoAmIClient::new(service);

    println!(" 1. A call");
    let answer = client.who_am_i().await?;
    check(
        answer.starts_with("Bearer"),
        &format!("the server saw {answer}"),
    )?;

    println!("\n 2. The server rejects the token with UNAUTHENTICATED");
    server.reject_next();
    let status = refused(client.who_am_i().await)?;
    check(
        status.code() == Code::Unauthenticated,
        "the caller sees that",
    )?;
    client.who_am_i().await?;
    let generation = tokens.status().generation;
    check(generation == 2, "the next call carries the second token")?;

    println!("\n 3. No token can be had");
    let nobody = || async { Err::<_, &str>("the vault is sealed") };
    let layer = FiskilAuthLayer::new(nobody);
    let service = ServiceBuilder::new().layer(layer).service(channel);
    let status = refused(WhoAmIClient::new(service).who_am_i().await)?;
    println!("  {:?}: {}", status.code(), status.message());
    check(
        status.code() == Code::Unavailable,
        "tonic's retries and load balancers know what that means",
    )
}

fn refused(result: Result<String, Status>) -> Outcome<Status> {
    match result {
        Ok(answer) => Err(format!("the call succeeded: {answer}").into()),
        Err(status) => Ok(status),
    }
}

async fn serve(service: WhoAmI) -> Outcome<Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = Endpoint::new(format!("http://{}", listener.local_addr()?))?;
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    Ok(endpoint.connect_lazy())
}
