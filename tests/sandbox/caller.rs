//! A caller that knows Fiskil's two routes, and reads its answers.

use std::fmt::Debug;

use bytes::Bytes;
use fiskil_auth::Credentials;
use fiskil_auth::sandbox::{Sandbox, SandboxBody};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: http::HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn read<B>(answer: Response<B>) -> Self
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

    pub(crate) fn header(&self, name: http::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn token(&self) -> String {
        self.json["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn assert_error(&self, status: StatusCode, name: &str) {
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

pub(crate) fn call(
    sandbox: &Sandbox,
    request: Request<Full<Bytes>>,
) -> impl Future<Output = Response<SandboxBody>> + use<> {
    let answer = sandbox.service().oneshot(request);
    async move { answer.await.unwrap() }
}

pub(crate) async fn send(sandbox: &Sandbox, request: Request<Full<Bytes>>) -> Answer {
    Answer::read(call(sandbox, request).await).await
}

pub(crate) async fn fetch_token(sandbox: &Sandbox) -> String {
    let answer = send(sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.token()
}

pub(crate) async fn call_api(sandbox: &Sandbox, token: &str) -> StatusCode {
    send(sandbox, end_users(&format!("Bearer {token}")))
        .await
        .status
}

pub(crate) fn exchange(credentials: &Credentials) -> Request<Full<Bytes>> {
    post_json(pair(credentials))
}

pub(crate) fn post_json(body: impl Into<Full<Bytes>>) -> Request<Full<Bytes>> {
    Request::post("/v1/token")
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(body.into())
        .unwrap()
}

pub(crate) fn pair(credentials: &Credentials) -> Full<Bytes> {
    let secret = credentials.expose_secret();
    let pair = json!({"client_id": credentials.client_id(), "client_secret": secret});
    Full::from(pair.to_string())
}

pub(crate) fn end_users(authorization: &str) -> Request<Full<Bytes>> {
    Request::get("/v1/end-users")
        .header(AUTHORIZATION, authorization)
        .body(Full::default())
        .unwrap()
}
