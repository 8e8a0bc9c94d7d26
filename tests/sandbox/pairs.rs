//! Several pairs of credentials in one sandbox.
//!
//! Mutations caught: counts or faults of a pair that go to all; a pair found by its
//! id alone; tokens that die with their pair; the sandbox's faults before a pair's.

use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::Credentials;
use fiskil_auth::sandbox::{Counts, Fault, Pair, Sandbox};
use futures_util::stream;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::oneshot;
use tokio::time::{Instant, advance};
use tower::ServiceExt;

use crate::caller::{Answer, call_api, exchange, fetch_token, send};

async fn token_of(sandbox: &Sandbox, pair: &Pair) -> String {
    let answer = send(sandbox, exchange(&pair.credentials())).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.token()
}

async fn status_of(sandbox: &Sandbox, pair: &Pair) -> u16 {
    let answer = send(sandbox, exchange(&pair.credentials())).await;
    answer.status.as_u16()
}

/// Exchanges, tokens issued, requests, 401s.
fn numbers(counts: Counts) -> [u64; 4] {
    [
        counts.exchanges,
        counts.issued,
        counts.requests,
        counts.unauthorized,
    ]
}

#[tokio::test(start_paused = true)]
async fn each_pair_gets_tokens_of_its_own_and_is_counted_by_itself() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.add_pair(), sandbox.add_pair());
    assert_ne!(one.credentials().client_id(), two.credentials().client_id());
    let token = token_of(&sandbox, &one).await;
    let first = fetch_token(&sandbox).await;
    for token in [&token, &token, &first, "unknown"] {
        call_api(&sandbox, token).await;
    }
    one.revoke_tokens();
    call_api(&sandbox, &token).await;
    let wrong = Credentials::new(two.credentials().client_id(), "wrong");
    send(&sandbox, exchange(&wrong)).await;

    assert_eq!(numbers(one.counts()), [1, 1, 3, 1]);
    assert_eq!(numbers(two.counts()), [0, 0, 0, 0]);
    assert_eq!(numbers(sandbox.counts()), [3, 2, 5, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_pair_is_refused_and_its_tokens_live_on() {
    let sandbox = Sandbox::new();
    let (pair, other) = (sandbox.add_pair(), sandbox.add_pair());
    let token = token_of(&sandbox, &pair).await;
    pair.clone().revoke();

    let refused = send(&sandbox, exchange(&pair.credentials())).await;
    refused.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    assert_eq!(numbers(pair.counts()), [2, 1, 0, 0]);
    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
    token_of(&sandbox, &other).await;
    fetch_token(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_one_pair_are_revoked_alone() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.add_pair(), sandbox.add_pair());
    let first = token_of(&sandbox, &one).await;
    let other = token_of(&sandbox, &two).await;
    one.revoke_tokens();
    let next = token_of(&sandbox, &one).await;

    let revoked = StatusCode::UNAUTHORIZED;
    for (token, status) in [
        (first, revoked),
        (other, StatusCode::OK),
        (next, StatusCode::OK),
    ] {
        assert_eq!(call_api(&sandbox, &token).await, status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pairs_faults_are_its_own_and_come_before_those_for_all() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.add_pair(), sandbox.add_pair());
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::BAD_GATEWAY));
    one.fail_exchanges(Fault::Status(StatusCode::FORBIDDEN));
    one.fail_next_exchanges(1, Fault::Status(StatusCode::IM_A_TEAPOT));

    assert_eq!(status_of(&sandbox, &one).await, 418);
    assert_eq!(status_of(&sandbox, &one).await, 403);
    assert_eq!(status_of(&sandbox, &two).await, 502);
    assert_eq!(status_of(&sandbox, &two).await, 200);
    two.heal();
    assert_eq!(status_of(&sandbox, &one).await, 403);
    one.heal();
    assert_eq!(status_of(&sandbox, &one).await, 200);
    one.fail_exchanges(Fault::Status(StatusCode::FORBIDDEN));
    sandbox.heal();
    assert_eq!(status_of(&sandbox, &one).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_pairs_lifetime_is_its_own() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.add_pair(), sandbox.add_pair());
    one.set_lifetime(Duration::from_secs(5));
    sandbox.set_lifetime(Duration::from_secs(7));
    let (short, long) = (
        token_of(&sandbox, &one).await,
        token_of(&sandbox, &two).await,
    );
    advance(Duration::from_secs(5)).await;

    assert_eq!(call_api(&sandbox, &short).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call_api(&sandbox, &long).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn two_pairs_with_the_same_id_and_different_secrets_are_two() {
    let sandbox = Sandbox::new();
    let one = sandbox.accept(Credentials::new("platform", "first secret"));
    let two = sandbox.accept(Credentials::new("platform", "second secret"));
    one.fail_next_exchanges(1, Fault::Status(StatusCode::BAD_GATEWAY));
    let token = token_of(&sandbox, &two).await;
    assert_eq!(status_of(&sandbox, &one).await, 502);
    token_of(&sandbox, &one).await;
    one.revoke_tokens();
    one.revoke();

    assert_eq!(call_api(&sandbox, &token).await, StatusCode::OK);
    assert_eq!(status_of(&sandbox, &two).await, 200);
    assert_eq!(status_of(&sandbox, &one).await, 401);
    assert_eq!((one.counts().exchanges, two.counts().exchanges), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_accepted_again_are_the_same_pair() {
    let sandbox = Sandbox::new();
    let pair = sandbox.accept(Credentials::new("platform", "secret"));
    token_of(&sandbox, &pair).await;
    pair.revoke();
    let again = sandbox.accept(pair.credentials());

    token_of(&sandbox, &pair).await;
    assert_eq!(again.counts().exchanges, 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_token_comes_again_to_the_pair_that_has_it() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.add_pair(), sandbox.add_pair());
    sandbox.fail_exchanges(Fault::SameToken);
    let token = token_of(&sandbox, &one).await;
    assert_ne!(token_of(&sandbox, &two).await, token);
    assert_eq!(token_of(&sandbox, &one).await, token);
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_revoked_while_its_answer_is_held_back_still_gets_it() {
    let sandbox = Sandbox::new();
    let pair = sandbox.add_pair();
    sandbox.set_latency(Duration::from_secs(5));
    let answer = send(&sandbox, exchange(&pair.credentials()));
    let revocation = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.revoke();
        pair.revoke_tokens();
    };
    let (answer, ()) = tokio::join!(answer, revocation);

    // It was decided before. The token in it is among those that were revoked.
    assert_eq!(answer.status, StatusCode::OK);
    let status = call_api(&sandbox, &answer.token()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(status_of(&sandbox, &pair).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_revoked_while_its_request_arrives_is_refused() {
    let sandbox = Sandbox::new();
    let pair = sandbox.add_pair();
    let (head, body) = exchange(&pair.credentials()).into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (arrive, arrives) = oneshot::channel::<Bytes>();
    let body_to_come = StreamBody::new(stream::once(async {
        Ok::<_, std::io::Error>(Frame::data(arrives.await.unwrap()))
    }));
    let request = Request::from_parts(head, Box::pin(body_to_come));
    let answer = sandbox.service().oneshot(request);
    let revocation = async {
        pair.revoke();
        arrive.send(body).unwrap();
    };
    let (answer, ()) = tokio::join!(answer, revocation);
    let answer = Answer::read(answer.unwrap()).await;
    answer.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_exchange_of_a_pair_goes_on_hanging_after_its_revocation() {
    let sandbox = Sandbox::new();
    let pair = sandbox.add_pair();
    pair.fail_next_exchanges(1, Fault::Hang);
    let layer = sandbox.layer_for(pair.credentials());
    let start = Instant::now();
    let tokens = layer.tokens();
    let (outcome, ()) = tokio::join!(tokens.token(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.revoke();
    });

    assert_eq!(outcome.unwrap_err().kind(), fiskil_auth::ErrorKind::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    advance(Duration::from_secs(2)).await;
    let refused = tokens.token().await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::UNAUTHORIZED));
}
