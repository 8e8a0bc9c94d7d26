//! The tower service: which endpoint a request is for, and what that checks.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::fault::Outcome;
use super::state::{Shared, State};
use super::{SandboxBody, answer};
use crate::BoxError;
use crate::fiskil::TOKEN_PATH;
use crate::json::{self, Member};

/// A sandbox's token endpoint and API as a tower service: see
/// [`Sandbox::service`](super::Sandbox::service).
///
/// It is always ready and never fails. It needs a tokio runtime only where it
/// has to wait.
#[derive(Clone)]
pub struct SandboxService {
    shared: Shared,
}

impl SandboxService {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

impl<B> Service<Request<B>> for SandboxService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<SandboxBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            Ok(
                if head.method == Method::POST && head.uri.path() == TOKEN_PATH {
                    exchange(&shared, head, body).await
                } else {
                    serve_api(&mut shared.lock(), &head, Instant::now())
                },
            )
        })
    }
}

impl fmt::Debug for SandboxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxService").finish_non_exhaustive()
    }
}

async fn exchange<B>(shared: &Shared, head: Parts, body: B) -> Response<SandboxBody>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let is_json = has_json_content_type(&head.headers);
    shared.lock().note_exchange(record(head));
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) if is_json => Some(body.to_bytes()),
        _ => None,
    };
    let (answer, latency) = {
        let mut state = shared.lock();
        (
            answer_exchange(&mut state, body, Instant::now()),
            state.latency(),
        )
    };
    if !latency.is_zero() {
        sleep(latency).await;
    }
    match answer {
        Some(answer) => answer,
        None => pending().await,
    }
}

/// What to answer, or `None` for never. A `body` of `None` is one that could
/// not be read or is not declared to be JSON.
fn answer_exchange(
    state: &mut State,
    body: Option<Bytes>,
    now: Instant,
) -> Option<Response<SandboxBody>> {
    let repeat = match state.next_fault().map(|fault| fault.into_outcome()) {
        Some(Outcome::Answer(answer)) => return Some(answer),
        Some(Outcome::Never) => return None,
        Some(Outcome::Repeat) => true,
        None => false,
    };
    let Some((id, secret)) = body.and_then(|body| pair(&body)) else {
        return Some(answer::error(
            StatusCode::BAD_REQUEST,
            "client_id and client_secret are required, as strings in a JSON object",
        ));
    };
    if !state.accepts(&id, &secret) {
        return Some(answer::error(
            StatusCode::UNAUTHORIZED,
            "invalid client credentials",
        ));
    }
    let repeated = if repeat { state.repeat(now) } else { None };
    let (value, lifetime) = repeated.unwrap_or_else(|| state.issue(now));
    Some(answer::token(&value, lifetime))
}

fn serve_api(state: &mut State, head: &Parts, now: Instant) -> Response<SandboxBody> {
    state.note_request();
    if head.method != Method::GET || head.uri.path() != END_USERS_PATH {
        return answer::error(StatusCode::NOT_FOUND, "there is nothing here");
    }
    if state.admits(bearer_token(&head.headers), now) {
        answer::end_users()
    } else {
        answer::error(
            StatusCode::UNAUTHORIZED,
            "missing, invalid or expired token",
        )
    }
}

fn pair(body: &[u8]) -> Option<(String, String)> {
    let [id, secret] = json::members(body, ["client_id", "client_secret"]).ok()?;
    let text = |member: Option<Member>| Some(member?.value().as_str()?.to_owned());
    Some((text(id)?, text(secret)?))
}

/// The head of an exchange as it may be kept and shown.
fn record(head: Parts) -> Request<()> {
    let mut record = Request::new(());
    *record.method_mut() = head.method;
    *record.uri_mut() = head.uri;
    *record.version_mut() = head.version;
    *record.headers_mut() = head.headers;
    for (name, value) in record.headers_mut() {
        if *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION {
            value.set_sensitive(true);
        }
    }
    record
}

fn has_json_content_type(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The token of the one `Authorization` header: with two it would be up to the
/// server which counts.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

const END_USERS_PATH: &str = "/v1/end-users";

/// Far more than a pair of credentials takes.
const MAX_BODY: usize = 64 * 1024;
