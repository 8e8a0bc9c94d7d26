//! What a sandbox tells a test that failed.
//!
//! Mutations caught: a log without a bound, with a query, with a secret or a token
//! in a path.

use std::time::Duration;

use fiskil_auth::Credentials;
use fiskil_auth::sandbox::{Fault, Sandbox};
use http::StatusCode;
use tokio::time::advance;

use crate::caller::{call_api, end_users, exchange, fetch_token, post_json, send};

/// The log, with names in place of generated ids.
fn lines(sandbox: &Sandbox, names: &[(&Credentials, &str)]) -> Vec<String> {
    let mut text = sandbox.log().to_string();
    for (credentials, name) in names {
        text = text.replace(credentials.client_id(), name);
    }
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_exchange_and_request_is_a_line_with_its_time_pair_and_outcome() {
    let sandbox = Sandbox::new();
    let (first, pair) = (sandbox.credentials(), sandbox.add_pair());
    assert_eq!(sandbox.log().to_string(), "(nothing)");

    let token = fetch_token(&sandbox).await;
    call_api(&sandbox, &token).await;
    advance(Duration::from_millis(1_250)).await;
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::BAD_GATEWAY));
    send(&sandbox, exchange(&pair.credentials())).await;
    sandbox.fail_next_exchanges(1, Fault::SameToken);
    fetch_token(&sandbox).await;
    send(&sandbox, post_json("{}")).await;
    pair.revoke();
    send(&sandbox, exchange(&pair.credentials())).await;
    send(&sandbox, end_users("Basic nothing")).await;
    call_api(&sandbox, "unknown").await;
    sandbox.reject_every_nth_request(1);
    call_api(&sandbox, &token).await;
    advance(Duration::from_secs(900)).await;
    call_api(&sandbox, &token).await;
    sandbox.revoke_tokens();
    call_api(&sandbox, &token).await;
    let mut stray = end_users("Bearer x");
    *stray.uri_mut() = "/v1/nothing?code=query".parse().unwrap();
    send(&sandbox, stray).await;

    assert_eq!(
        lines(
            &sandbox,
            &[(&first, "first"), (&pair.credentials(), "second")]
        ),
        [
            "0.000 s  POST /v1/token by first: 200, a token for 900 s",
            "0.000 s  GET /v1/end-users by first: let in",
            "1.250 s  POST /v1/token by second: Status(502), as it was told to",
            "1.250 s  POST /v1/token by first: 200, the same token for 898.75 s",
            "1.250 s  POST /v1/token by nobody known: 400, it had no pair of credentials",
            "1.250 s  POST /v1/token by second: 401, the pair is not accepted",
            "1.250 s  GET /v1/end-users by nobody known: 401, it carried no token",
            "1.250 s  GET /v1/end-users by nobody known: 401, its token is unknown",
            "1.250 s  GET /v1/end-users by first: 401, in spite of its valid token",
            "901.250 s  GET /v1/end-users by first: 401, its token has expired",
            "901.250 s  GET /v1/end-users by first: 401, its token was revoked",
            "901.250 s  GET /v1/nothing by nobody known: 404, there is no such route",
        ]
    );
    assert_eq!(
        format!("{:?}", sandbox.log()),
        format!("Log:\n{}", sandbox.log())
    );
}

#[tokio::test(start_paused = true)]
async fn the_latest_two_hundred_are_kept_and_the_others_counted() {
    let sandbox = Sandbox::new();
    for n in 0..250 {
        let mut request = end_users("Bearer x");
        *request.uri_mut() = format!("/{n}").parse().unwrap();
        send(&sandbox, request).await;
    }
    let lines = lines(&sandbox, &[]);
    assert_eq!(lines.len(), 201);
    assert_eq!(lines[0], "(50 more before)");
    assert!(lines[1].contains("GET /50 "));
    assert!(lines[200].contains("GET /249 "));
}

#[tokio::test(start_paused = true)]
async fn no_path_shows_a_secret_or_a_token_or_is_endless() {
    let sandbox = Sandbox::new();
    let pair = sandbox.accept(Credentials::new("short", "hush-hush"));
    let token = fetch_token(&sandbox).await;
    let secret = sandbox.credentials();
    let paths = [
        format!("/{}", secret.expose_secret()),
        format!("/x/{}", &secret.expose_secret()[..20]),
        format!("/{token}"),
        format!("/{}/x", &token[..40]),
        format!("/{}", pair.credentials().expose_secret()),
        format!("/{}", "long".repeat(1_000)),
    ];
    for path in &paths {
        let mut request = end_users("Bearer x");
        *request.uri_mut() = path.parse().unwrap();
        send(&sandbox, request).await;
    }
    let lines = lines(&sandbox, &[]);
    assert_eq!(lines.len(), 1 + paths.len());
    for line in &lines[1..] {
        assert!(
            line.contains("(a path with a secret in it)") || line.contains("(a long path)"),
            "{line}"
        );
    }
}
