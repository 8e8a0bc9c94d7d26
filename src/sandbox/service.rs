//! The tower service: which endpoint a request is for, and what that checks.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CONTENT_TYPE, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::admission::{Verdict, bearer_token};
use super::log::Seen;
use super::shared::Shared;
use super::state::State;
use super::{SandboxBody, answer};
use crate::BoxError;
use crate::fiskil::TOKEN_PATH;
use crate::json::{self, Member};

/// A sandbox's token endpoint and API as a tower service: see
/// [`Sandbox::service`](super::Sandbox::service).
///
/// It is always ready and never fails. It needs a tokio runtime only where it
/// has to wait.
///
/// ```
/// use bytes::Bytes;
/// use fiskil_auth::sandbox::Sandbox;
/// use http::{Request, StatusCode};
/// use http_body_util::Empty;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Sandbox::new().service();
/// let request = Request::get("/v1/end-users").body(Empty::<Bytes>::new())?;
/// let answer = service.oneshot(request).await?;
/// assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
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
            Ok(match is_exchange(&request) {
                true => exchange(&shared, request).await,
                false => serve_api(&mut shared.lock(), &request, Instant::now()),
            })
        })
    }
}

/// Whether this is for the token endpoint.
pub(super) fn is_exchange<B>(request: &Request<B>) -> bool {
    *request.method() == Method::POST && request.uri().path() == TOKEN_PATH
}

impl fmt::Debug for SandboxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxService").finish_non_exhaustive()
    }
}

async fn exchange<B>(shared: &Shared, request: Request<B>) -> Response<SandboxBody>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let seen = Seen::of(&request);
    let (head, body) = request.into_parts();
    let is_json = has_json_content_type(&head.headers);
    shared.lock().note_exchange(record(head));
    let pair = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) if is_json => pair(&body.to_bytes()),
        _ => None,
    };
    let (exchanged, latency) = {
        let mut state = shared.lock();
        let exchanged = state.exchange(seen, pair, Instant::now());
        (exchanged, state.latency)
    };
    if !latency.is_zero() {
        sleep(latency).await;
    }
    match exchanged.answer() {
        Some(answer) => answer,
        None => pending().await,
    }
}

fn serve_api<B>(state: &mut State, request: &Request<B>, now: Instant) -> Response<SandboxBody> {
    let seen = Seen::of(request);
    if *request.method() != Method::GET || request.uri().path() != END_USERS_PATH {
        state.note_stray(seen, now);
        return answer::error(StatusCode::NOT_FOUND, "there is nothing here");
    }
    let admission = state.judge(bearer_token(request.headers()), now);
    state.note_request(seen, admission, now);
    match admission.verdict {
        Verdict::LetIn => answer::end_users(),
        _ => answer::unauthorized(),
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

const END_USERS_PATH: &str = "/v1/end-users";

/// Far more than a pair of credentials takes.
const MAX_BODY: usize = 64 * 1024;
