//! The sandbox's API, and the tokens that it takes.

use std::collections::HashSet;
use std::time::Duration;

use fiskil_auth::sandbox::Sandbox;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tokio::time::advance;

use crate::caller::{call_api, end_users, fetch_token, send};

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
async fn a_token_expires_to_the_millisecond() {
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
async fn every_nth_request_is_rejected_despite_its_valid_token() {
    let sandbox = Sandbox::new();
    let token = fetch_token(&sandbox).await;
    call_api(&sandbox, &token).await;

    sandbox.reject_every_nth_request(3);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        // Requests without a valid token are not counted.
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
async fn other_routes_are_not_found() {
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
async fn every_error_has_an_id_of_its_own_shaped_like_a_uuid() {
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
