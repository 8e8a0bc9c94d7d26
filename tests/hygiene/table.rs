//! A value of everything public, with all the secrets in it that it can have,
//! and what it prints: `surface` compares the names with those in the source.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::retry::{Delay, RetryUnauthorized};
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{
    Authorized, BoxError, BoxProvideCredentials, Credentials, CredentialsFile, CredentialsFiles,
    Error, FiskilAuthLayer, HttpsTokenService, SharedTokens, Token, TokenClient, TokenRequest,
    TokenRequestBody, error_for_auth,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower::retry::Policy;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::canary::Canaries;
use crate::{SECRET, TOKEN};

/// The name of a type, and what prints a value of that very type.
macro_rules! prints {
    ($($name:ident)::+ $(<$($generic:tt),+>)?, $value:expr) => {
        (stringify!($($name)::+), || {
            let value: fiskil_auth::$($name)::+ $(<$($generic),+>)? = $value;
            format!("{value:?} {value:#?}")
        })
    };
}

type Printer = (&'static str, fn() -> String);

pub(crate) const PRINTED: &[Printer] = &[
    // A trait: no values of its own.
    ("Answer", || {
        fn shown<A: fiskil_auth::Answer<Error: std::fmt::Debug>>(answer: A) -> String {
            format!("{:?}", error_for_auth(answer).err().unwrap())
        }
        shown(failed().unwrap())
    }),
    prints!(Authorized, authorized()),
    prints!(BoxError, error().into()),
    prints!(
        BoxProvideCredentials,
        BoxProvideCredentials::new(credentials())
    ),
    prints!(Credentials, credentials()),
    prints!(CredentialsFile, CredentialsFile::new("/vault/fiskil.json")),
    prints!(
        CredentialsFiles,
        CredentialsFiles::new("/vault/id", "/vault/secret")
    ),
    prints!(Error, error()),
    prints!(ErrorKind, error().kind()),
    prints!(FiskilAuth<_>, layer().layer(service_fn(api))),
    prints!(FiskilAuthLayer, layer()),
    prints!(HttpsTokenService, HttpsTokenService::new()),
    prints!(Resend, authorized().report(StatusCode::UNAUTHORIZED)),
    prints!(ResponseBody<_>, watched().into_body()),
    prints!(
        ResponseFuture<_, _>,
        layer().layer(service_fn(api)).call(Request::new(()))
    ),
    prints!(SharedTokens, shared()),
    prints!(
        SharedTokensService<_>,
        shared().layer(TokenClient::new(service_fn(api)))
    ),
    prints!(Status, layer().tokens().status()),
    prints!(Token, token()),
    prints!(TokenCache, layer().tokens()),
    prints!(TokenClient<_>, TokenClient::new(service_fn(api))),
    prints!(TokenRequest, {
        let mut request = TokenRequest::new(credentials());
        request.rejected = Some(token());
        request.held = Some(token());
        request
    }),
    prints!(TokenRequestBody, token_request().into_body()),
    // A crate, of which this prints what `SharedTokens` says of its URLs.
    ("redis", || {
        let error = SharedTokens::redis(format!("redis://:{SECRET}@{TOKEN}:99999"));
        format!("{error:?} {error:#?}")
    }),
    // A function, for what it returns.
    ("error_for_auth", || {
        format!("{:?}", error_for_auth(failed()).unwrap_err())
    }),
    // Another trait.
    ("ProvideCredentials", || {
        fn provider<P: fiskil_auth::ProvideCredentials + std::fmt::Debug>(provider: P) -> String {
            format!("{provider:?}")
        }
        provider(credentials())
    }),
    // Another.
    ("retry::TryCloneBody", || {
        fn cloned<C: fiskil_auth::retry::TryCloneBody<String>>(cloner: C) -> String {
            format!("{:?}", cloner.try_clone_body(&"content".to_owned()))
        }
        cloned(|body: &String| Some(body.clone()))
    }),
    // Nobody outside of its module can have one, so a test there prints it.
    ("retry::CloneBody", || {
        let _: Option<fiskil_auth::retry::CloneBody> = None;
        let source = include_str!("../../src/retry.rs");
        assert!(source.contains(r#"assert_eq!(format!("{:?}", CloneBody(())), "CloneBody(())")"#));
        "CloneBody(())".to_owned()
    }),
    prints!(
        retry::RetryUnauthorized,
        RetryUnauthorized::new().retry_transient(Duration::from_secs(60))
    ),
    prints!(retry::Delay, delay()),
    prints!(sandbox::Counts, SANDBOX.counts()),
    prints!(sandbox::Fault, body()),
    prints!(sandbox::Guarded<_>, SANDBOX.guard(service_fn(api))),
    prints!(sandbox::GuardedBody<_>, guarded().into_body()),
    prints!(
        sandbox::GuardedFuture<_>,
        SANDBOX.guard(service_fn(api)).call(Request::new(()))
    ),
    prints!(
        sandbox::HttpsSandbox,
        RUNTIME.block_on(SANDBOX.serve_https()).unwrap()
    ),
    prints!(sandbox::Log, SANDBOX.log()),
    prints!(sandbox::Pair, SANDBOX.add_pair()),
    prints!(sandbox::Sandbox, SANDBOX.clone()),
    prints!(sandbox::SandboxBody, exchange(&SANDBOX).into_body()),
    prints!(sandbox::SandboxClient<_>, {
        let server = RUNTIME.block_on(SANDBOX.serve_https()).unwrap();
        server.client::<Full<Bytes>>()
    }),
    prints!(sandbox::SandboxService, SANDBOX.service()),
    prints!(sandbox::Script, SANDBOX.script([body()])),
    prints!(sandbox::Step, body().into()),
];

/// The secrets that those values have.
pub(crate) fn canaries() -> Canaries {
    let pair = SANDBOX.credentials();
    Canaries::new([SECRET, TOKEN]).and_generated([pair.expose_secret()])
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
});

/// A sandbox that has seen a pair, and hands out a token of the test's choice.
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::Body(format!(r#"{{"token":"{TOKEN}"}}"#).into()));
    exchange(&sandbox);
    sandbox
});

fn exchange(sandbox: &Sandbox) -> Response<fiskil_auth::sandbox::SandboxBody> {
    let pair = sandbox.credentials();
    let secret = pair.expose_secret();
    let request = Request::post("/v1/token")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Full::<Bytes>::from(format!("{secret} {SECRET}")));
    let answer = sandbox.service().oneshot(request.unwrap());
    RUNTIME.block_on(answer).unwrap()
}

/// A body with a token in it.
fn body() -> Fault {
    Fault::Body(TOKEN.into())
}

type Refusal = Response<fiskil_auth::sandbox::GuardedBody<Full<Bytes>>>;

/// The answer to a token that the sandbox does not know.
fn guarded() -> Refusal {
    let request = Request::get("/");
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    let answer = SANDBOX
        .guard(service_fn(api))
        .oneshot(request.body(()).unwrap());
    RUNTIME.block_on(answer).unwrap()
}

/// What a `TokenClient` sends, and what any layer that logs it would show.
fn token_request() -> Request<TokenRequestBody> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let http = service_fn(move |request: Request<TokenRequestBody>| {
        sender.send(request).unwrap();
        async { Err::<Response<Full<Bytes>>, BoxError>("no".into()) }
    });
    let exchange = TokenClient::new(http).oneshot(TokenRequest::new(credentials()));
    RUNTIME.block_on(exchange).unwrap_err();
    receiver.recv().unwrap()
}

fn credentials() -> Credentials {
    Credentials::new("client-1", SECRET)
}

fn token() -> Token {
    Token::new(TOKEN, Duration::from_secs(900)).unwrap()
}

/// A password that is the secret, too.
fn shared() -> SharedTokens {
    SharedTokens::redis(format!("redis://:{SECRET}@cache.internal")).unwrap()
}

/// A layer that has its token.
fn layer() -> FiskilAuthLayer {
    let service = service_fn(async |_: TokenRequest| Ok::<_, BoxError>(token()));
    let layer = FiskilAuthLayer::with_token_service(credentials(), service);
    RUNTIME.block_on(layer.tokens().token()).unwrap();
    layer
}

fn authorized() -> Authorized {
    let headers = &mut HeaderMap::new();
    RUNTIME
        .block_on(layer().authorize("https://api.fiskil.com/v1/end-users", headers))
        .unwrap()
}

/// Answers in gRPC, whose bodies are watched for a rejection in the trailers.
async fn api(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = Response::builder().header("content-type", "application/grpc");
    Ok(answer.body(Full::default()).unwrap())
}

type Answer = Response<fiskil_auth::ResponseBody<Full<Bytes>>>;

fn watched() -> Answer {
    let answer = layer().layer(service_fn(api)).oneshot(Request::new(()));
    RUNTIME.block_on(answer).unwrap()
}

/// The answer for want of a token, from a token service that quotes the secret.
fn failed() -> Result<Answer, Infallible> {
    let service = service_fn(async |request: TokenRequest| {
        let secret = request.credentials.expose_secret();
        Err::<Token, BoxError>(format!("no token for {secret}").into())
    });
    let layer = FiskilAuthLayer::with_token_service(credentials(), service);
    RUNTIME.block_on(layer.layer(service_fn(api)).oneshot(Request::new(())))
}

fn error() -> Error {
    let answer = failed().unwrap();
    answer.extensions().get::<Error>().unwrap().clone()
}

/// What the policy waits for after a transient failure.
fn delay() -> Delay {
    let mut policy = RetryUnauthorized::new().retry_transient(Duration::from_secs(60));
    let mut answer = failed();
    let _guard = RUNTIME.enter();
    policy.retry(&mut Request::new(()), &mut answer).unwrap()
}
