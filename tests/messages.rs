//! What errors tell whoever reads them: where it happened, whose credentials they
//! were, what to do, and when it goes on.
//!
//! Mutations caught: an endpoint left out; the environment's variables named for
//! a pair from elsewhere; a cause twice in one line; no time, or one that stands
//! still.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

#[path = "support/watch.rs"]
#[allow(unreachable_pub)]
mod watch;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, Sandbox};
use fiskil_auth::{
    BoxError, Credentials, CredentialsFile, CredentialsFiles, Error, ErrorKind, FiskilAuthLayer,
    HttpsTokenService, ProvideCredentials, TokenClient, TokenRequest, TokenRequestBody,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;
use tower::{ServiceExt, service_fn};

const ENDPOINT: &str = "https://proxy.example/fiskil/v1/token";

/// The error for an answer of the token endpoint.
async fn answered(status: u16) -> Error {
    let http = service_fn(move |_: Request<TokenRequestBody>| async move {
        let answer = Response::builder().status(status);
        Ok::<_, BoxError>(answer.body(Full::<Bytes>::default()).unwrap())
    });
    exchange(http).await
}

async fn exchange<C>(http: C) -> Error
where
    TokenClient<C>: tower::Service<TokenRequest, Error = Error>,
{
    let client = TokenClient::new(http).endpoint(ENDPOINT).ok().unwrap();
    let request = TokenRequest::new(Credentials::new("client-1", "hush-hush"));
    let Err(error) = client.oneshot(request).await else {
        panic!("a token");
    };
    error
}

#[tokio::test]
async fn what_is_about_the_endpoint_names_its_url() {
    for status in [301, 404, 999] {
        let text = answered(status).await.to_string();
        assert!(text.contains(ENDPOINT), "{text}");
    }
    let http = service_fn(|_: Request<TokenRequestBody>| async {
        Err::<Response<Full<Bytes>>, BoxError>("no route".into())
    });
    let text = exchange(http).await.to_string();
    assert!(text.contains(ENDPOINT), "{text}");
}

#[tokio::test]
async fn a_rate_limit_gives_no_advice_on_how_many_layers_there_should_be() {
    let text = answered(429).await.to_string();
    assert!(
        text.contains("limits the rate") && !text.contains("layer"),
        "{text}"
    );
}

#[tokio::test]
async fn a_port_for_plain_http_is_told_from_one_that_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let app = axum::Router::new();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (base, says) in [
        (base.as_str(), "does not speak TLS"),
        ("https://127.0.0.1:1", "can't be reached"),
    ] {
        let service = HttpsTokenService::with_base_url(base).unwrap();
        let request = TokenRequest::new(Credentials::new("client-1", "hush-hush"));
        let error = service.oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.contains(&format!("{base}/v1/token")), "{text}");
    }
}

/// The error of a sandbox that knows another pair.
async fn refused(credentials: impl ProvideCredentials) -> String {
    let client = TokenClient::new(Sandbox::new().service());
    let layer = FiskilAuthLayer::with_token_service(credentials, client);
    let error = layer.tokens().token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    error.to_string()
}

#[tokio::test]
async fn refused_credentials_are_named_by_where_they_are_from() {
    let folder = std::env::temp_dir().join(format!("fiskil-auth-messages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [json, id, secret] = ["pair.json", "id", "secret"].map(|name| folder.join(name));
    std::fs::write(
        &json,
        r#"{"client_id":"i-from-file","client_secret":"hush-hush"}"#,
    )
    .unwrap();
    std::fs::write(&id, "i-from-file").unwrap();
    std::fs::write(&secret, "hush-hush").unwrap();
    let texts = [
        refused(Credentials::new("client-1", "hush-hush")).await,
        refused(CredentialsFile::new(&json)).await,
        refused(CredentialsFiles::new(&id, &secret)).await,
    ];
    std::fs::remove_dir_all(&folder).unwrap();
    let names = [
        vec!["client id \"client-1\"".to_owned()],
        vec![format!("{json:?}")],
        vec![format!("{id:?}"), format!("{secret:?}")],
    ];
    for (text, names) in texts.iter().zip(names) {
        assert!(names.iter().all(|name| text.contains(name)), "{text}");
        assert!(!text.contains("FISKIL_CLIENT_ID"), "{text}");
        assert!(!text.contains("hush-hush"), "{text}");
    }
}

#[tokio::test]
async fn a_client_id_that_is_the_secret_is_not_shown() {
    let text = refused(Credentials::new("hush-hush-hush", "hush-hush-hush")).await;
    assert!(text.contains("refused the credentials"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_held_back_says_when_it_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.fail_exchanges(Fault::RateLimit {
        retry_after: Duration::from_secs(60),
    });
    let client = TokenClient::new(sandbox.service());
    let layer = FiskilAuthLayer::with_token_service(sandbox.credentials(), client);
    let first = layer.tokens().token().await.unwrap_err();
    let shown = |error: &Error| {
        let text = error.to_string();
        let (_, seconds) = text.split_once("again in ").unwrap();
        seconds.split_once(" s)").unwrap().0.parse::<u64>().unwrap()
    };
    let seconds = shown(&first);
    assert!((60..=66).contains(&seconds), "{first}");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(shown(&first), seconds - 10);
    // It is the same for whoever asks meanwhile.
    let next = layer.tokens().token().await.unwrap_err();
    assert_eq!(shown(&next), seconds - 10);
    assert_eq!(next.status(), Some(StatusCode::TOO_MANY_REQUESTS));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!first.to_string().contains("again"), "{first}");
}

/// An error whose text has its source's text in it.
#[derive(Debug)]
struct Telling(io::Error);

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect: {}", self.0)
    }
}

impl std::error::Error for Telling {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_cause_stands_once_in_the_log_however_often_it_is_told() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer({
        let log = log.clone();
        move || log.clone()
    });
    let _guard = watch::watch(subscriber.with_ansi(false).finish());
    let http = service_fn(|_: Request<TokenRequestBody>| async {
        let cause = io::Error::other(Telling(io::Error::other("the cable is cut")));
        Err::<Response<Full<Bytes>>, BoxError>(cause.into())
    });
    let pair = Credentials::new("client-1", "hush-hush");
    let layer = FiskilAuthLayer::with_token_service(pair, TokenClient::new(http));
    layer.tokens().token().await.unwrap_err();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        text.matches("cannot connect: the cable is cut").count(),
        1,
        "{text}"
    );
    assert_eq!(text.matches("the cable is cut").count(), 1, "{text}");
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_base_url_that_is_the_token_endpoint_is_an_error_at_once() {
    for base in [
        "https://api.fiskil.com/v1/token",
        "https://proxy.example/fiskil/v1/token/",
    ] {
        let error = HttpsTokenService::with_base_url(base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(
            error.to_string().contains("must not end in /v1/token"),
            "{error}"
        );
        let pair = Credentials::new("client-1", "hush-hush");
        FiskilAuthLayer::with_base_url(pair, base).unwrap_err();
    }
    HttpsTokenService::with_base_url("https://proxy.example/v1/tokens").unwrap();
}
