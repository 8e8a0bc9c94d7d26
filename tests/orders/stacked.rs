//! A layer beneath another one: the inner one's token is what is sent, so that
//! whatever the API says concerns that one only.

use std::convert::Infallible;

use bytes::Bytes;
use fiskil_auth::retry::RetryUnauthorized;
use fiskil_auth::{FiskilAuthLayer, Token};
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Tokens, carried, layer, settle};

/// How the API says no, or that it does not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Status401,
    Status16,
    Status16InTrailers,
    Fine,
    FineGrpc,
}

impl Answer {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Status401 | Self::Fine => "application/json",
            Self::Status16 | Self::Status16InTrailers | Self::FineGrpc => "application/grpc",
        })
    }
}

const REJECTIONS: [Answer; 3] = [
    Answer::Status401,
    Answer::Status16,
    Answer::Status16InTrailers,
];

/// An API that gives this answer to requests with one of these tokens, and lets
/// all others in.
fn api(
    answer: Answer,
    tokens: &'static [&'static str],
) -> impl Service<
    Request<()>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Infallible> + use<>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    service_fn(move |request: Request<()>| {
        let is_meant = tokens.contains(&carried(request.headers()).as_str());
        let status16 = || {
            [(
                HeaderName::from_static("grpc-status"),
                HeaderValue::from(16),
            )]
        };
        let mut head = HeaderMap::new();
        let mut trailers = HeaderMap::new();
        let mut status = StatusCode::OK;
        head.insert(CONTENT_TYPE, answer.content_type());
        match answer {
            Answer::Status401 if is_meant => status = StatusCode::UNAUTHORIZED,
            Answer::Status16 if is_meant => head.extend(status16()),
            Answer::Status16InTrailers if is_meant => trailers.extend(status16()),
            _ => {}
        }
        let body = StreamBody::new(stream::iter([Ok(Frame::trailers(trailers))]));
        let mut response = Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, head);
        async { Ok(response) }
    })
}

/// Sends a request that gets this answer, and reads that to its end.
async fn send<S, B>(service: S, answer: Answer, uri: &str)
where
    S: Service<Request<()>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let request = Request::get(uri).header(CONTENT_TYPE, answer.content_type());
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    settle().await;
}

/// A layer with tokens `o1`, `o2`…
fn outer() -> (FiskilAuthLayer, Tokens) {
    let tokens = Tokens::new();
    tokens.answer(|n| async move {
        let lifetime = std::time::Duration::from_secs(900);
        Ok::<_, BoxError>(Token::new(format!("o{n}"), lifetime)?)
    });
    (layer(&tokens), tokens)
}

fn rejections(layer: &FiskilAuthLayer) -> u64 {
    layer.tokens().status().rejections
}

#[tokio::test(start_paused = true)]
async fn of_two_layers_a_rejection_renews_the_inner_ones_token_only() {
    for answer in REJECTIONS {
        let (outer, outer_tokens) = outer();
        let inner_tokens = Tokens::new();
        let inner = layer(&inner_tokens);
        send(outer.layer(inner.layer(api(answer, &["t1"]))), answer, "/").await;
        let exchanges = (outer_tokens.exchanges(), inner_tokens.exchanges());
        assert_eq!(exchanges, (1, 2), "{answer:?}");
        assert_eq!(
            (rejections(&outer), rejections(&inner)),
            (0, 1),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_twice_in_one_stack_renews_its_token_once() {
    for answer in REJECTIONS {
        let tokens = Tokens::new();
        let layer = layer(&tokens);
        let service = layer.layer(layer.layer(api(answer, &["t1"])));
        send(service.clone(), answer, "/").await;
        send(service, answer, "/").await;
        assert_eq!(
            (tokens.exchanges(), rejections(&layer)),
            (2, 1),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_inner_layer_passes_a_request_the_outer_ones_token_was_sent() {
    for answer in REJECTIONS {
        let (outer, outer_tokens) = outer();
        let outer = outer.allow_origin("https://elsewhere.example").unwrap();
        let inner_tokens = Tokens::new();
        let inner = layer(&inner_tokens).pass_other_origins();
        let service = outer.layer(inner.layer(api(answer, &["o1"])));
        send(service, answer, "https://elsewhere.example/").await;
        let exchanges = (outer_tokens.exchanges(), inner_tokens.exchanges());
        assert_eq!(exchanges, (2, 0), "{answer:?}");
        assert_eq!(
            (rejections(&outer), rejections(&inner)),
            (1, 0),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_the_inner_ones_also_where_the_header_was_rewritten_in_between() {
    for answer in [Answer::Status401, Answer::Status16] {
        let (outer, outer_tokens) = outer();
        let inner_tokens = Tokens::new();
        let inner = layer(&inner_tokens);
        let service = inner.layer(api(answer, &["t1"]));
        let service = service.map_request(|mut request: Request<()>| {
            let value = request.headers().get(AUTHORIZATION).unwrap();
            let plain = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().insert(AUTHORIZATION, plain);
            request
        });
        send(outer.layer(service), answer, "/").await;
        let exchanges = (outer_tokens.exchanges(), inner_tokens.exchanges());
        assert_eq!(exchanges, (1, 2), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_clears_the_inner_layers_token_only() {
    for answer in [Answer::Fine, Answer::FineGrpc] {
        let (outer, outer_tokens) = outer();
        let inner_tokens = Tokens::new();
        let inner = layer(&inner_tokens);
        let service = outer.layer(inner.layer(api(answer, &[])));
        make_suspect(&outer, &outer_tokens).await;
        // The outer one's is not sent, so nothing is known of it.
        send(service.clone(), answer, "/").await;
        assert!(outer.tokens().status().suspect, "{answer:?}");
        make_suspect(&inner, &inner_tokens).await;
        send(service, answer, "/").await;
        assert!(outer.tokens().status().suspect, "{answer:?}");
        assert!(!inner.tokens().status().suspect, "{answer:?}");
    }
}

/// Its token was rejected, and can't be renewed.
async fn make_suspect(layer: &FiskilAuthLayer, tokens: &Tokens) {
    let token = layer.tokens().token().await.unwrap();
    tokens.fail("down");
    layer.tokens().report_rejected(&token);
    settle().await;
    assert!(layer.tokens().status().suspect);
}

#[tokio::test(start_paused = true)]
async fn a_policy_above_two_layers_sends_again_what_the_inner_one_renewed() {
    let (outer, outer_tokens) = outer();
    let inner_tokens = Tokens::new();
    let service = ServiceBuilder::new()
        .retry(RetryUnauthorized::new())
        .layer(outer)
        .layer(layer(&inner_tokens))
        .service(api(Answer::Status401, &["t1"]));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((outer_tokens.exchanges(), inner_tokens.exchanges()), (1, 2));
}
