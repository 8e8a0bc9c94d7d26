//! Answers that are dropped before their end.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{Layer, Service, service_fn};

use crate::support::{Tokens, layer, settle};

/// A gRPC API that answers with two messages, and status 16 in the trailers.
async fn streaming(
    _: Request<Empty<Bytes>>,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let status = (
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("16"),
    );
    let frames = [
        Frame::data(Bytes::from_static(b"one")),
        Frame::data(Bytes::from_static(b"two")),
        Frame::trailers(HeaderMap::from_iter([status])),
    ];
    let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok)));
    let response = Response::builder().header(header::CONTENT_TYPE, "application/grpc");
    Ok(response.body(body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_answer_dropped_half_read_does_not_reject_the_token() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let mut service = layer.layer(service_fn(streaming));
    let response = service.call(get()).await.unwrap();
    let mut body = Box::pin(response.into_body());
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "one");
    drop(body);
    settle().await;
    assert_eq!(layer.tokens().status().rejections, 0);
    // An answer that is read to its end does.
    let response = service.call(get()).await.unwrap();
    Box::pin(response.into_body()).collect().await.unwrap();
    settle().await;
    assert_eq!(layer.tokens().status().rejections, 1);
    assert_eq!(tokens.exchanges(), 2);
}

fn get() -> Request<Empty<Bytes>> {
    let request = Request::builder().header(header::CONTENT_TYPE, "application/grpc");
    request.body(Empty::new()).unwrap()
}
