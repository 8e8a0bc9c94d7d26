//! Exchanges that succeed and fail in every way, against a server that repeats the
//! secrets wherever it can.

use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{Fault, HttpsSandbox, Sandbox};
use fiskil_auth::{BoxError, Credentials, Error, FiskilAuthLayer, Token, TokenClient};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

use crate::canary::Canaries;
use crate::log;
use crate::support::endpoint::answering;
use crate::support::printed;
use crate::{SECRET, TOKEN};

fn canaries() -> &'static Canaries {
    static CANARIES: LazyLock<Canaries> = LazyLock::new(|| Canaries::new([SECRET, TOKEN]));
    &CANARIES
}

fn credentials() -> Credentials {
    Credentials::new("client-1", SECRET)
}

/// Every place of an answer that a server can put `echo` into, as it is, in
/// base64 and percent-encoded.
fn echoes(echo: &str) -> Vec<String> {
    let percent: String = echo.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let piece = &echo[3..13];
    let mut bodies = Vec::new();
    for echo in [
        echo,
        piece,
        &percent,
        &format!("err_{echo}"),
        &format!("{echo}.x"),
    ] {
        bodies.extend([
            format!(r#"{{"id":"{echo}","name":"{echo}","message":"{echo}","temporary":true}}"#),
            format!(r#"{{"id":"err_1","name":"{echo}","token":"{echo}"}}"#),
            format!(r#"{{"token":["{echo}"],"token_type":"{echo}","expires_in":"{echo}"}}"#),
            format!(r#"{{"token":"{echo} {echo}","{echo}":"{echo}"}}"#),
            format!(r#"{{"token":"{echo}","token_type":"mac"}}"#),
            format!(r#"{{"token":"{echo}","access_token":"x"}}"#),
            format!(r#"{{"{echo}":1,}} {echo}"#),
            echo.to_owned(),
        ]);
    }
    bodies
}

#[track_caller]
fn assert_clean(error: &Error) {
    canaries().assert_absent("an error", &printed(error));
    assert!(error.to_string().len() < 4096);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_server_echoes_is_shown_or_logged() {
    log::capture();
    for status in [200, 302, 401, 429, 500] {
        for echo in [SECRET, TOKEN] {
            for body in echoes(echo) {
                let first = format!(r#"{{"token":"{TOKEN}","expires_in":900}}"#);
                let answers = [(200, first), (status, body)].map(|(status, body)| {
                    let answer = Response::builder()
                        .status(status)
                        .header("retry-after", echo)
                        .header("location", format!("https://{echo}.example/"));
                    answer.body(Full::<Bytes>::from(body)).unwrap()
                });
                let layer = FiskilAuthLayer::with_token_service(credentials(), answering(answers));
                let cache = layer.tokens();
                cache.token().await.unwrap();
                if let Err(error) = cache.refresh().await {
                    assert_clean(&error);
                }
                canaries().assert_absent("a cache", &format!("{cache:?} {:?}", cache.status()));
            }
        }
    }
    canaries().assert_absent("the log", &log::captured());
}

#[tokio::test(start_paused = true)]
async fn failures_show_nothing_in_the_answer_to_the_caller_or_the_log() {
    log::capture();
    let sources: [fn() -> Result<Token, BoxError>; 7] = [
        || Err(format!("the body was {{\"client_secret\":\"{SECRET}\"}}").into()),
        || {
            Err(Token::new(format!("{TOKEN} "), Duration::ZERO)
                .unwrap_err()
                .into())
        },
        || Err(std::io::Error::other(format!("Bearer {SECRET}")).into()),
        || {
            let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
            Err(format!("GET /?secret={percent}").into())
        },
        || panic!("a token service of one's own"),
        // Panics that skip the hook, which would print the secret here.
        || resume_unwind(Box::new(format!("no token for {SECRET}"))),
        || resume_unwind(Box::new(SECRET)),
    ];
    for source in sources {
        let service = service_fn(move |_| async move { source() });
        let layer = FiskilAuthLayer::with_token_service(credentials(), service);
        for content_type in ["application/json", "application/grpc"] {
            let api = service_fn(async |_: Request<()>| Ok::<_, BoxError>(Response::new(())));
            let request = Request::get("/")
                .header("content-type", content_type)
                .body(())
                .unwrap();
            let answer = layer.layer(api).oneshot(request).await.unwrap();
            canaries().assert_absent("an answer", &format!("{answer:?} {answer:#?}"));
            for value in answer.headers().values() {
                canaries().assert_absent("a header", value.to_str().unwrap());
            }
            assert_clean(answer.extensions().get::<Error>().unwrap());
        }
    }
    canaries().assert_absent("the log", &log::captured());
    assert!(log::captured().contains("PANIC"));
}

async fn over_https(credentials: Credentials, server: &HttpsSandbox) -> FiskilAuthLayer {
    let client = TokenClient::new(server.client())
        .endpoint(format!("{}/v1/token", server.base_url()))
        .unwrap();
    FiskilAuthLayer::with_token_service(credentials, client)
        .allow_origin(server.base_url())
        .unwrap()
}

/// hyper and rustls log much of what they do, and would show a secret that this
/// crate gave them unmarked.
#[tokio::test]
async fn hyper_and_rustls_log_no_secret_of_an_exchange_or_a_request() {
    log::capture();
    let sandbox = Sandbox::new();
    let server = sandbox.serve_https().await.unwrap();
    let layer = over_https(sandbox.credentials(), &server).await;
    let get = || {
        let request = Request::get(format!("{}/v1/end-users", server.base_url()))
            .body(Full::<Bytes>::default());
        layer.layer(server.client()).oneshot(request.unwrap())
    };
    let mut secrets = Vec::new();
    let note = |secrets: &mut Vec<String>, token: Token| {
        let header = token.header_value().to_str().unwrap();
        secrets.push(header.strip_prefix("Bearer ").unwrap().to_owned());
    };
    assert_eq!(get().await.unwrap().status(), StatusCode::OK);
    note(&mut secrets, layer.tokens().token().await.unwrap());
    sandbox.revoke_tokens();
    assert_eq!(get().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get().await.unwrap().status(), StatusCode::OK);
    note(&mut secrets, layer.tokens().token().await.unwrap());
    secrets.push(sandbox.credentials().expose_secret().to_owned());

    for fault in [
        Fault::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::Body(Bytes::from(format!(r#"{{"token":["{TOKEN}"]}}"#))),
    ] {
        sandbox.fail_exchanges(fault);
        let cache = over_https(credentials(), &server).await.tokens();
        assert_clean(&cache.token().await.unwrap_err());
    }
    // A fetch that hangs is given up when its last waiter is dropped.
    sandbox.fail_exchanges(Fault::Hang);
    let before = sandbox.counts().exchanges;
    let cache = over_https(credentials(), &server).await.tokens();
    let hanging = tokio::spawn(async move { cache.token().await });
    while sandbox.counts().exchanges == before {
        tokio::task::yield_now().await;
    }
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    let log = log::captured();
    let canaries = canaries().clone().and_generated(secrets);
    canaries.assert_absent("the log", &log);
    for target in ["hyper_util::client", "rustls::client", "fiskil_auth"] {
        assert!(log.contains(target), "nothing was captured of {target}");
    }
}
