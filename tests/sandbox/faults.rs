//! What the token endpoint does when it is told to fail.

use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, timeout};

use crate::caller::{call, call_api, exchange, fetch_token, post_json, send};

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
async fn a_fault_comes_before_any_check_of_the_request() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Status(StatusCode::IM_A_TEAPOT));
    let strangers = exchange(&Sandbox::new().credentials());
    for request in [post_json("no pair"), strangers] {
        let answer = send(&sandbox, request).await;
        assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
    }
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
async fn a_fault_may_be_a_body_or_a_whole_answer() {
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
async fn the_same_token_comes_again_with_the_lifetime_it_has_left() {
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
