//! Handles to a sandbox: what they share, count and show.

use std::fmt::Debug;

use bytes::Bytes;
use fiskil_auth::sandbox::{
    Fault, Guarded, GuardedBody, HttpsSandbox, Log, Pair, Sandbox, SandboxBody, SandboxService,
    Script, Step,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::caller::{Answer, call, call_api, exchange, fetch_token};

#[tokio::test(start_paused = true)]
async fn all_handles_share_one_state_and_its_counts() {
    let sandbox = Sandbox::new();
    let service = sandbox.clone().service();
    assert_eq!(sandbox.counts(), Sandbox::new().counts());

    let request = exchange(&sandbox.credentials());
    let answer = service.clone().oneshot(request).await.unwrap();
    let token = Answer::read(answer).await.token();
    sandbox
        .clone()
        .fail_exchanges(Fault::Status(StatusCode::BAD_GATEWAY));
    service
        .clone()
        .oneshot(exchange(&sandbox.credentials()))
        .await
        .unwrap();
    call_api(&sandbox, &token).await;
    call_api(&sandbox, "unknown").await;
    service
        .oneshot(Request::get("/").body(Full::<Bytes>::default()).unwrap())
        .await
        .unwrap();

    let counts = sandbox.counts();
    assert_eq!(counts.exchanges, 2);
    assert_eq!(counts.issued, 1);
    assert_eq!(counts.requests, 3);
    assert_eq!(counts.unauthorized, 1);
}

#[tokio::test]
async fn debug_output_shows_neither_secrets_nor_tokens() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    sandbox.fail_exchanges(Fault::Body(Bytes::from("sesame")));
    let https = sandbox.serve_https().await.unwrap();
    let answer = call(&sandbox, exchange(&sandbox.credentials())).await;
    let verbatim = Fault::Answer(Response::new(Bytes::from("sesame")));

    let script = sandbox.script([Fault::Body(Bytes::from("sesame"))]);
    let shown: [&dyn Debug; 11] = [
        &sandbox,
        &sandbox.add_pair(),
        &script,
        &sandbox.log(),
        &sandbox.guard("routes"),
        &sandbox.service(),
        &https,
        &answer,
        &sandbox.last_exchange(),
        &verbatim,
        &sandbox.counts(),
    ];
    let shown = format!("{shown:?}");
    let credentials = sandbox.credentials();
    for secret in [credentials.expose_secret(), &token, "sesame"] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test(start_paused = true)]
async fn the_ready_made_layer_goes_where_fiskils_does_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let api = sandbox.layer().layer(sandbox.service());
    let statuses = [
        ("/v1/end-users", StatusCode::OK),
        ("https://api.fiskil.com/v1/end-users", StatusCode::OK),
        (
            "https://elsewhere.example/v1/end-users",
            StatusCode::BAD_GATEWAY,
        ),
    ];
    for (uri, status) in statuses {
        let request = Request::get(uri).body(Full::<Bytes>::default()).unwrap();
        let answer = api.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{uri}");
    }
    assert_eq!(sandbox.counts().exchanges, 1);
    let by = format!("POST /v1/token by {}", sandbox.credentials().client_id());
    assert!(sandbox.log().to_string().contains(&by));
}

#[test]
fn no_runtime_is_needed_where_nothing_waits() {
    let sandbox = Sandbox::new();
    let mut answer = tokio_test::task::spawn(call(&sandbox, exchange(&sandbox.credentials())));
    assert!(answer.poll().is_ready());
}

#[test]
fn handles_services_and_bodies_are_send_and_sync() {
    fn shared<T: Send + Sync + 'static>() {}
    fn cloned<T: Clone + Send + Sync + 'static>() {}
    cloned::<Sandbox>();
    cloned::<SandboxService>();
    cloned::<Fault>();
    cloned::<Guarded<()>>();
    cloned::<Log>();
    cloned::<Pair>();
    cloned::<Step>();
    shared::<GuardedBody<()>>();
    shared::<Script>();
    shared::<HttpsSandbox>();
    shared::<SandboxBody>();
}
