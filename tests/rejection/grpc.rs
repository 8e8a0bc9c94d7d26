//! What gRPC answers do to the token: status 16 in headers and trailers.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Tokens, layer, paused_runtime, settle};

fn grpc_request<B>(body: B) -> Request<B> {
    let request = Request::builder().header("content-type", "application/grpc");
    request.body(body).unwrap()
}

/// A token service whose token went out to an API that answers with these headers
/// and this `grpc-status` in the trailers.
fn grpc(headers: &[(&'static str, &'static str)], trailers: Option<&'static str>) -> Tokens {
    let tokens = Tokens::new();
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .collect();
    let api = service_fn(move |_: Request<Empty<Bytes>>| {
        let mut frames = vec![Ok::<_, Infallible>(Frame::data(Bytes::from_static(
            b"data",
        )))];
        if let Some(status) = trailers {
            let trailer = (
                "grpc-status".parse().unwrap(),
                HeaderValue::from_static(status),
            );
            frames.push(Ok(Frame::trailers(HeaderMap::from_iter([trailer]))));
        }
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let mut response = Response::new(body);
        *response.headers_mut() = headers.clone();
        async { Ok::<_, Infallible>(response) }
    });
    paused_runtime().block_on(async {
        // Kept alive: nothing is renewed for a layer that was dropped.
        let layer = layer(&tokens);
        let response = layer.layer(api).oneshot(grpc_request(Empty::new()));
        let response = response.await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        let seen = collected
            .trailers()
            .and_then(|t| t.get("grpc-status"))
            .cloned();
        assert_eq!(seen.as_ref().map(|v| v.to_str().unwrap()), trailers);
        assert_eq!(collected.to_bytes(), "data");
        settle().await;
    });
    tokens
}

#[test]
fn grpc_status_16_in_the_headers_rejects_the_token() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "Application/GRPC",
    ] {
        let tokens = grpc(
            &[("content-type", content_type), ("grpc-status", "16")],
            None,
        );
        assert_eq!(tokens.exchanges(), 2, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_request_that_is_not_grpc_is_judged_by_its_http_status() {
    let layer = layer(&Tokens::new());
    let api = service_fn(|_: Request<()>| async {
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "16");
        Ok::<_, Infallible>(response.body(()).unwrap())
    });
    layer.layer(api).oneshot(Request::new(())).await.unwrap();
    assert_eq!(layer.tokens().status().rejections, 0);
}

#[test]
fn grpc_status_16_in_the_trailers_rejects_the_token_and_the_trailers_pass() {
    let tokens = grpc(&[("content-type", "application/grpc")], Some("16"));
    assert_eq!(tokens.exchanges(), 2);
}

#[test]
fn other_grpc_statuses_and_answers_that_are_not_grpc_reject_nothing() {
    let tokens = grpc(&[("content-type", "application/grpc")], Some("7"));
    assert_eq!(tokens.exchanges(), 1);
    let tokens = grpc(&[("content-type", "application/json")], Some("16"));
    assert_eq!(tokens.exchanges(), 1);
    let tokens = grpc(&[("grpc-status", "16")], None);
    assert_eq!(tokens.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn grpc_status_16_counts_on_http_200_only() {
    for (status, rejections) in [(StatusCode::OK, 1), (StatusCode::BAD_GATEWAY, 0)] {
        let layer = layer(&Tokens::new());
        let api = service_fn(move |_: Request<()>| async move {
            let response = Response::builder()
                .status(status)
                .header("content-type", "application/grpc")
                .header("grpc-status", "16");
            Ok::<_, Infallible>(response.body(()).unwrap())
        });
        layer.layer(api).oneshot(grpc_request(())).await.unwrap();
        assert_eq!(layer.tokens().status().rejections, rejections, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_carries_an_error_of_this_crates_rejects_nothing_in_its_trailers() {
    let layer = layer(&Tokens::new());
    let api = service_fn(|_: Request<()>| async {
        let status = ("grpc-status".parse().unwrap(), "16".parse().unwrap());
        let frames = [Ok::<_, Infallible>(Frame::<Bytes>::trailers(
            HeaderMap::from_iter([status]),
        ))];
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .extension(fiskil_auth::Error::other("another layer's"));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Ok::<_, Infallible>(response.body(body).unwrap())
    });
    let response = layer.layer(api).oneshot(grpc_request(())).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(layer.tokens().status().rejections, 0);
}
