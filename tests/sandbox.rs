//! The sandbox behaves as Fiskil does, and fails as it is told to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

use std::collections::HashSet;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, HttpsSandbox, Sandbox, SandboxBody, SandboxService};
use fiskil_auth::{BoxError, Credentials};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, timeout};
use tower::ServiceExt;

#[tokio::test(start_paused = true)]
async fn an_exchange_returns_a_token_for_fifteen_minutes() {
    let sandbox = Sandbox::new();
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header(CONTENT_TYPE),
        "application/json; charset=UTF-8"
    );
    assert_eq!(answer.json["expires_in"], 900);
    assert_eq!(answer.json["token_type"], "Bearer");
    let token = answer.json["token"].as_str().unwrap();
    assert_eq!(token.len(), 350);
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
}

#[tokio::test(start_paused = true)]
async fn every_exchange_returns_another_token() {
    let sandbox = Sandbox::new();
    let first = fetch_token(&sandbox).await;
    let second = fetch_token(&sandbox).await;

    assert_ne!(first, second);
    assert_eq!(call_api(&sandbox, &first).await, StatusCode::OK);
    assert_eq!(call_api(&sandbox, &second).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_uri_may_name_any_host_and_the_content_type_any_charset() {
    let sandbox = Sandbox::new();
    let request = Request::post("https://api.fiskil.com/v1/token")
        .header(CONTENT_TYPE, "Application/JSON;charset=utf-8")
        .body(pair(&sandbox.credentials()))
        .unwrap();

    assert_eq!(send(&sandbox, request).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_sandbox_are_unauthorized() {
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let own = sandbox.credentials();
    let foreign = other.credentials();
    let id_only = Credentials::new(own.client_id(), foreign.expose_secret());
    let secret_only = Credentials::new(foreign.client_id(), own.expose_secret());

    for credentials in [foreign, id_only, secret_only] {
        let answer = send(&sandbox, exchange(&credentials)).await;
        answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    assert_eq!(sandbox.counts().issued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_exchange_is_an_invalid_request() {
    let sandbox = Sandbox::new();
    let credentials = sandbox.credentials();
    let (id, secret) = (credentials.client_id(), credentials.expose_secret());
    let bodies = [
        String::new(),
        "{".into(),
        "[]".into(),
        json!({"client_id": id}).to_string(),
        json!({"client_secret": secret}).to_string(),
        json!({"client_id": id, "client_secret": null}).to_string(),
        json!({"client_id": id, "client_secret": [secret]}).to_string(),
        json!({"client_id": 7, "client_secret": secret}).to_string(),
        format!("client_id={id}&client_secret={secret}"),
        " ".repeat(1 << 20) + &json!({"client_id": id, "client_secret": secret}).to_string(),
    ];
    for body in bodies {
        let answer = send(&sandbox, post_json(body)).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "InvalidRequest");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_not_declared_as_json_is_an_invalid_request() {
    let sandbox = Sandbox::new();
    let declared = Request::post("/v1/token").header(CONTENT_TYPE, "text/json");
    for request in [Request::post("/v1/token"), declared] {
        let request = request.body(pair(&sandbox.credentials())).unwrap();
        let answer = send(&sandbox, request).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "InvalidRequest");
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_pair_is_refused_after_a_rotation_but_its_tokens_stay_valid() {
    let sandbox = Sandbox::new();
    let old = sandbox.credentials();
    let token = fetch_token(&sandbox).await;
    let new = sandbox.rotate_credentials();

    let refused = send(&sandbox, exchange(&old)).await;
    refused.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    assert_eq!(send(&sandbox, exchange(&new)).await.status, StatusCode::OK);
    assert_eq!(sandbox.credentials().client_id(), new.client_id());
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_last_exchange_can_be_looked_at_without_its_secrets() {
    let sandbox = Sandbox::new();
    assert!(sandbox.last_exchange().is_none());

    let mut request = exchange(&sandbox.credentials());
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, "first/1.0".parse().unwrap());
    headers.append(AUTHORIZATION, "Bearer shy".parse().unwrap());
    headers.append(AUTHORIZATION, "Bearer shyer".parse().unwrap());
    send(&sandbox, request).await;
    call_api(&sandbox, "unknown").await;

    let seen = sandbox.last_exchange().unwrap();
    assert_eq!(seen.method(), Method::POST);
    assert_eq!(seen.uri(), "/v1/token");
    assert_eq!(seen.headers()[USER_AGENT], "first/1.0");
    assert!(!format!("{seen:?}").contains("shy"));
}

#[tokio::test(start_paused = true)]
async fn end_users_are_listed_for_a_live_token() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    let answer = send(&sandbox, end_users(&format!("Bearer {token}"))).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header(CONTENT_TYPE),
        "application/json; charset=UTF-8"
    );
    let users = answer.json.as_array().unwrap();
    assert!(!users.is_empty());
    for field in ["id", "email", "name", "phone"] {
        assert!(users.iter().all(|user| user[field].is_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_unknown_token_is_unauthorized() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    let missing = Request::get("/v1/end-users").body(Full::default()).unwrap();
    let mut twice = end_users(&format!("Bearer {token}"));
    let another = format!("Bearer {token}").parse().unwrap();
    twice.headers_mut().append(AUTHORIZATION, another);
    let requests = [
        missing,
        twice,
        end_users("Bearer unknown"),
        end_users(&token),
        end_users(&format!("Basic {token}")),
        end_users(&format!("Bearer {token}x")),
    ];
    for request in requests {
        let answer = send(&sandbox, request).await;
        answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_to_the_instant() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;

    advance(Duration::from_secs(900) - Duration::from_millis(1)).await;
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
    advance(Duration::from_millis(1)).await;
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn revoked_tokens_are_unauthorized_and_later_ones_are_not() {
    let sandbox = Sandbox::new();
    let (first, second) = (fetch_token(&sandbox).await, fetch_token(&sandbox).await);
    sandbox.revoke_tokens();
    let third = fetch_token(&sandbox).await;

    assert_eq!(call_api(&sandbox, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call_api(&sandbox, &second).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call_api(&sandbox, &third).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn every_nth_request_is_rejected_in_spite_of_its_token() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    call_api(&sandbox, &token).await;

    sandbox.reject_every_nth_request(3);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        // Those without a valid token are not counted.
        call_api(&sandbox, "unknown").await;
        statuses.push(call_api(&sandbox, &token).await.as_u16());
    }
    assert_eq!(statuses, [200, 200, 401, 200, 200, 401]);

    sandbox.reject_every_nth_request(1);
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::UNAUTHORIZED);
    sandbox.reject_every_nth_request(0);
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn anything_else_is_not_found() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/v1/token"),
        (Method::PUT, "/v1/token"),
        (Method::POST, "/v1/token/"),
        (Method::POST, "/v1/end-users"),
    ] {
        let mut request = end_users(&format!("Bearer {token}"));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let answer = send(&sandbox, request).await;
        answer.assert_error(StatusCode::NOT_FOUND, "NotFound");
    }
    assert_eq!(sandbox.counts().exchanges, 1);
}

#[tokio::test(start_paused = true)]
async fn every_error_has_an_id_of_its_own_in_the_shape_of_a_uuid() {
    let sandbox = Sandbox::new();
    let mut ids = HashSet::new();
    for _ in 0..100 {
        let answer = send(&sandbox, end_users("Bearer unknown")).await;
        let id = answer.json["id"].as_str().unwrap().to_owned();
        let groups: Vec<&str> = id.strip_prefix("err_").unwrap().split('-').collect();
        assert_eq!(
            groups.iter().map(|g| g.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit()));
        ids.insert(id);
    }
    assert_eq!(ids.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn the_lifetime_holds_for_tokens_issued_after_it_was_set() {
    let sandbox = Sandbox::new();
    let long = fetch_token(&sandbox).await;
    sandbox.set_lifetime(Duration::from_millis(1_500));
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.json["expires_in"], 1);
    let short = answer.token();

    advance(Duration::from_millis(1_499)).await;
    assert_eq!(call_api(&sandbox, &short).await, StatusCode::OK);
    advance(Duration::from_millis(1)).await;
    assert_eq!(call_api(&sandbox, &short).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call_api(&sandbox, &long).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_may_be_nothing_or_for_ever() {
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::ZERO);
    let dead = fetch_token(&sandbox).await;
    assert_eq!(call_api(&sandbox, &dead).await, StatusCode::UNAUTHORIZED);

    sandbox.set_lifetime(Duration::MAX);
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.json["expires_in"], u64::MAX);
    advance(Duration::from_secs(1_000_000)).await;
    assert_eq!(call_api(&sandbox, &answer.token()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn latency_holds_the_token_endpoint_back_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.set_latency(Duration::from_secs(5));
    let start = Instant::now();
    let token = fetch_token(&sandbox).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    // The lifetime counts from the arrival of the exchange.
    advance(Duration::from_secs(895)).await;
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::UNAUTHORIZED);

    sandbox.set_latency(Duration::ZERO);
    let start = Instant::now();
    fetch_token(&sandbox).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_status_fault_lasts_until_the_sandbox_is_healed() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    sandbox.fail_exchanges(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    for _ in 0..3 {
        let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
        answer.assert_error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
        assert_eq!(answer.json["temporary"], true);
        assert_eq!(answer.json["fault"], true);
        assert_eq!(answer.json["timeout"], false);
    }
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
    sandbox.heal();
    fetch_token(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn queued_faults_come_in_order_and_before_the_lasting_one() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Status(StatusCode::FORBIDDEN));
    sandbox.fail_next_exchanges(2, Fault::Status(StatusCode::BAD_GATEWAY));
    sandbox.fail_next_exchanges(0, Fault::Hang);
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::IM_A_TEAPOT));

    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [502, 502, 418, 403, 403]);
}

#[tokio::test(start_paused = true)]
async fn healing_empties_the_queue_of_faults() {
    let sandbox = Sandbox::new();
    sandbox.fail_next_exchanges(2, Fault::Status(StatusCode::BAD_GATEWAY));
    sandbox.heal();
    fetch_token(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_states_whole_seconds() {
    let sandbox = Sandbox::new();
    let retry_after = Duration::from_millis(6_001);
    sandbox.fail_exchanges(Fault::RateLimit { retry_after });
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;

    answer.assert_error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
    assert_eq!(answer.header(RETRY_AFTER), "7");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_exchange_never_answers_even_after_healing() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Hang);
    let hanging = tokio::spawn(call(&sandbox, exchange(&sandbox.credentials())));
    advance(Duration::from_secs(1)).await;
    sandbox.heal();

    fetch_token(&sandbox).await;
    assert!(
        timeout(Duration::from_secs(100_000), hanging)
            .await
            .is_err()
    );
    assert_eq!(sandbox.counts().exchanges, 2);
}

#[tokio::test(start_paused = true)]
async fn a_trickling_exchange_drips_one_byte_per_second_for_ever() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Trickle);
    let start = Instant::now();
    let answer = call(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(start.elapsed(), Duration::ZERO);

    let mut body = answer.into_body();
    assert!(!body.is_end_stream());
    for second in 1..=1_000 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap().len(), 1);
        assert_eq!(start.elapsed(), Duration::from_secs(second));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_and_a_whole_answer_can_be_given() {
    let sandbox = Sandbox::new();
    sandbox.fail_next_exchanges(1, Fault::Body(Bytes::from_static(b"<html>")));
    let answer = call(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "<html>"
    );

    let redirect = Response::builder()
        .status(StatusCode::TEMPORARY_REDIRECT)
        .header("location", "https://elsewhere.example/")
        .body(Bytes::from_static(b"over there"))
        .unwrap();
    sandbox.fail_next_exchanges(1, Fault::Answer(redirect));
    let answer = call(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.headers().len(), 1);
    assert_eq!(answer.headers()["location"], "https://elsewhere.example/");
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "over there"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_token_comes_again_with_what_is_left_of_it() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::SameToken);
    let first = fetch_token(&sandbox).await;
    advance(Duration::from_secs(100)).await;
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.token(), first);
    assert_eq!(answer.json["expires_in"], 800);
    assert_eq!(call_api(&sandbox, &first).await, StatusCode::OK);

    sandbox.revoke_tokens();
    assert_eq!(fetch_token(&sandbox).await, first);
    assert_eq!(call_api(&sandbox, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sandbox.counts().issued, 1);

    let refused = send(&sandbox, exchange(&Sandbox::new().credentials())).await;
    refused.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    sandbox.heal();
    assert_ne!(fetch_token(&sandbox).await, first);
}

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

    let shown: [&dyn Debug; 7] = [
        &sandbox,
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

#[test]
fn no_runtime_is_needed_where_nothing_waits() {
    let sandbox = Sandbox::new();
    let mut answer = tokio_test::task::spawn(call(&sandbox, exchange(&sandbox.credentials())));
    assert!(answer.poll().is_ready());
}

#[test]
fn handles_services_and_bodies_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn cloned<T: Clone + Send + Sync + 'static>() {}
    cloned::<Sandbox>();
    cloned::<SandboxService>();
    cloned::<Fault>();
    shared::<HttpsSandbox>();
    shared::<SandboxBody>();
}

#[tokio::test]
async fn the_client_exchanges_and_calls_the_api_over_https() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    assert!(https.base_url().starts_with("https://127.0.0.1:"));

    let (head, body) = exchange(&sandbox.credentials()).into_parts();
    let request = Request::from_parts(at(&https.base_url(), head), body);
    let answer = Answer::read(https.client().oneshot(request).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);

    let (head, body) = end_users(&format!("Bearer {}", answer.token())).into_parts();
    let request = Request::from_parts(at(&https.base_url(), head), body);
    let answer = Answer::read(https.client().oneshot(request).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.json.is_array());
    assert_eq!(
        (sandbox.counts().exchanges, sandbox.counts().requests),
        (1, 1)
    );
}

#[tokio::test]
async fn the_certificate_holds_for_localhost_too() {
    let https = Sandbox::new().serve_https().await.unwrap();
    let base = https.base_url().replace("127.0.0.1", "localhost");
    let (head, body) = end_users("Bearer unknown").into_parts();
    let request = Request::from_parts(at(&base, head), body);

    let answer = Answer::read(https.client().oneshot(request).await.unwrap()).await;
    answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_certificate_fails() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let distrustful = sandbox.serve_https().await.unwrap().client();
    let (head, body) = exchange(&sandbox.credentials()).into_parts();
    let request = Request::from_parts(at(&https.base_url(), head), body);

    let error = distrustful.oneshot(request).await.unwrap_err();
    assert!(is_connect(&error));
    assert!(
        format!("{error:?}").contains("InvalidCertificate"),
        "{error:?}"
    );
    assert_eq!(sandbox.counts().exchanges, 0);
}

fn is_connect(error: &BoxError) -> bool {
    let error = error.downcast_ref::<hyper_util::client::legacy::Error>();
    error.is_some_and(|error| error.is_connect())
}

#[tokio::test]
async fn the_client_sends_nothing_over_plain_http() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let base = https.base_url().replace("https:", "http:");
    let (head, body) = exchange(&sandbox.credentials()).into_parts();
    let request = Request::from_parts(at(&base, head), body);

    let error = https.client().oneshot(request).await.unwrap_err();
    assert!(is_connect(&error));
}

#[tokio::test]
async fn the_certificate_is_given_as_pem_and_made_anew_for_every_server() {
    let sandbox = Sandbox::new();
    let https = sandbox.serve_https().await.unwrap();
    let another = sandbox.serve_https().await.unwrap();

    assert!(
        https
            .certificate_pem()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_ne!(https.certificate_pem(), another.certificate_pem());
}

#[tokio::test]
async fn dropping_the_server_cuts_its_connections_and_frees_its_port() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Hang);
    let https = sandbox.serve_https().await.unwrap();
    let address = https.base_url().replace("https://", "");
    let (head, body) = exchange(&sandbox.credentials()).into_parts();
    let request = Request::from_parts(at(&https.base_url(), head), body);
    let hanging = tokio::spawn(https.client().oneshot(request));
    while sandbox.counts().exchanges == 0 {
        yield_now().await;
    }

    drop(https);
    // The runtime has to get round to the server's task.
    let mut refused = false;
    for _ in 0..100 {
        refused = refused || TcpStream::connect(&address).await.is_err();
        yield_now().await;
    }
    assert!(refused);
    assert!(hanging.await.unwrap().is_err());
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    json: Value,
}

impl Answer {
    async fn read<B>(answer: Response<B>) -> Self
    where
        B: Body,
        B::Error: Debug,
    {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status,
            headers: head.headers,
            json: serde_json::from_slice(&body).unwrap(),
        }
    }

    fn header(&self, name: http::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn token(&self) -> String {
        self.json["token"].as_str().unwrap().to_owned()
    }

    fn assert_error(&self, status: StatusCode, name: &str) {
        assert_eq!(self.status, status);
        assert_eq!(self.header(CONTENT_TYPE), "application/json; charset=UTF-8");
        assert!(self.json["id"].as_str().unwrap().starts_with("err_"));
        assert_eq!(self.json["name"], name);
        assert!(self.json["message"].is_string());
        for flag in ["temporary", "timeout", "fault"] {
            assert!(self.json[flag].is_boolean());
        }
    }
}

fn call(
    sandbox: &Sandbox,
    request: Request<Full<Bytes>>,
) -> impl Future<Output = Response<SandboxBody>> + use<> {
    let answer = sandbox.service().oneshot(request);
    async move { answer.await.unwrap() }
}

async fn send(sandbox: &Sandbox, request: Request<Full<Bytes>>) -> Answer {
    Answer::read(call(sandbox, request).await).await
}

async fn fetch_token(sandbox: &Sandbox) -> String {
    let answer = send(sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.token()
}

async fn call_api(sandbox: &Sandbox, token: &str) -> StatusCode {
    send(sandbox, end_users(&format!("Bearer {token}")))
        .await
        .status
}

fn exchange(credentials: &Credentials) -> Request<Full<Bytes>> {
    post_json(pair(credentials))
}

fn post_json(body: impl Into<Full<Bytes>>) -> Request<Full<Bytes>> {
    Request::post("/v1/token")
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(body.into())
        .unwrap()
}

fn pair(credentials: &Credentials) -> Full<Bytes> {
    let secret = credentials.expose_secret();
    let pair = json!({"client_id": credentials.client_id(), "client_secret": secret});
    Full::from(pair.to_string())
}

fn end_users(authorization: &str) -> Request<Full<Bytes>> {
    Request::get("/v1/end-users")
        .header(AUTHORIZATION, authorization)
        .body(Full::default())
        .unwrap()
}

/// The same request at this base URL.
fn at(base: &str, mut head: request::Parts) -> request::Parts {
    head.uri = format!("{base}{}", head.uri.path()).parse().unwrap();
    head
}
