//! Guarantee 11, on requests for other origins: they are refused, and nobody
//! overlooks it.
//!
//! Mutations caught: other origins pass; a caller's `Authorization` goes on; no
//! warning, or one for each request; a seventeenth; a user name in the text; what
//! was refused takes a permit along.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use fiskil_auth::{Error, ErrorKind, FiskilAuthLayer};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::{Api, Tokens, carried, layer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceBuilder, ServiceExt};

/// The error of a request for `uri`.
async fn refused(layer: &FiskilAuthLayer, uri: &str) -> Error {
    let request = Request::get(uri).body(()).unwrap();
    let response = layer.layer(Api::default()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    response.extensions().get::<Error>().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_error_names_the_origin_and_the_three_ways_out() {
    let error = refused(&layer(&Tokens::new()), "https://api.fiskil.con/v1/x?y=z").await;
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!error.is_transient());
    let text = error.to_string();
    for part in [
        "https://api.fiskil.con,",
        "allow_origin",
        "inbound",
        "pass_other_origins",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("v1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_user_name_and_a_password_are_left_out_and_a_long_host_is_cut() {
    let layer = layer(&Tokens::new());
    let log = Log::default();
    let _guard = log.capture();
    let error = refused(&layer, "https://user:hush-hush@elsewhere.example:8443/").await;
    assert!(
        error
            .to_string()
            .contains("https://elsewhere.example:8443,"),
        "{error}"
    );
    let host = format!("https://{}.example/", "h".repeat(10_000));
    let long = refused(&layer, &host).await;
    assert!(long.to_string().len() < 1000);
    for text in [error.to_string(), log.text()] {
        assert!(
            !text.contains("hush-hush") && !text.contains("user:"),
            "{text}"
        );
    }
    assert!(log.text().len() < 4000);
}

#[tokio::test(start_paused = true)]
async fn one_warning_tells_of_each_origin_and_sixteen_are_the_most() {
    let log = Log::default();
    let _guard = log.capture();
    let layer = layer(&Tokens::new());
    for _ in 0..3 {
        refused(&layer, "https://elsewhere.example/a").await;
        refused(&layer.clone(), "https://elsewhere.example/b").await;
    }
    let text = log.text();
    assert_eq!(text.matches("request refused").count(), 1, "{text}");
    assert!(
        text.contains("WARN") && text.contains("fiskil_auth"),
        "{text}"
    );
    assert!(
        text.contains("origin=\"https://elsewhere.example\""),
        "{text}"
    );
    for n in 0..100_000 {
        refused(&layer, &format!("https://h{n}.example/")).await;
    }
    assert_eq!(log.text().matches("request refused").count(), 16);
    assert!(log.text().contains("https://h14.example"));
    assert!(!log.text().contains("https://h15.example"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_holds_nothing_and_fetches_nothing() {
    let tokens = Tokens::new();
    let service = ServiceBuilder::new()
        .layer(layer(&tokens))
        .concurrency_limit(1)
        .service(Api::default());
    let mut refusing = service.clone();
    let request = Request::get("https://elsewhere.example/").body(()).unwrap();
    let response = refusing.ready().await.unwrap();
    let response = tower::Service::call(response, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(tokens.exchanges(), 0);
    // With the one permit, while the service that refused is still there.
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(refusing);
}

/// A server that answers with what its handler saw as `Authorization`.
async fn serve(layer: FiskilAuthLayer) -> String {
    let handler = async |headers: HeaderMap| carried(&headers);
    let app = Router::new().route("/y", any(handler)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(app.clone());
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(async move {
                hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await
            });
        }
    });
    address.to_string()
}

/// What a server answers to this request line, which no client library writes.
async fn say(address: &str, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer callers-own\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn on_a_server_no_caller_gets_an_authorization_of_its_own_through() {
    let outgoing = serve(layer(&Tokens::new())).await;
    let inbound = serve(layer(&Tokens::new()).inbound()).await;
    let lines = [
        "GET /y",
        "GET http://gateway.example/y",
        "CONNECT gateway.example:80",
    ];
    for (address, seen) in [
        (&outgoing, ["t1", "502", "502"]),
        (&inbound, ["t1", "t1", "502"]),
    ] {
        for (line, seen) in lines.iter().zip(seen) {
            let answer = say(address, line).await;
            assert!(!answer.contains("callers-own"), "{line}: {answer}");
            assert!(answer.contains(seen), "{line}: {answer}");
        }
    }
}

#[tokio::test]
async fn over_http_2_a_server_without_inbound_refuses_and_with_it_the_token_is_there() {
    for (layer, status, seen) in [
        (layer(&Tokens::new()), 502, ""),
        (layer(&Tokens::new()).inbound(), 200, "t1"),
    ] {
        let address = serve(layer).await;
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("http://{address}/y"))
            .version(Version::HTTP_2)
            .header(AUTHORIZATION, "Bearer callers-own")
            .body(Body::empty());
        let answer = client.request(request.unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let body = axum::body::to_bytes(Body::new(answer.into_body()), 1000).await;
        assert_eq!(body.unwrap(), seen);
    }
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        support::watch(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error stays that of the inner service.
const _: fn(FiskilAuthLayer) = |layer| {
    fn assert_infallible<S: tower::Service<Request<Body>, Error = Infallible>>(_: S) {}
    assert_infallible(layer.layer(Router::<()>::new()));
};
