//! The header is marked sensitive on every request, and what HTTP/2 makes of
//! that: it never enters the compression's table, here or at any proxy.
//!
//! Guarantee 12 (no secret in any text), for the header on its way.
//!
//! Mutations caught: `set_sensitive` left out, or lost on the way past the wait
//! for a token.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Tokens, layer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::retry::{Policy, Retry};
use tower::{Layer, ServiceExt, service_fn};

/// Sends everything three times.
#[derive(Clone)]
struct Thrice(u32);

impl<B: Clone, R, E> Policy<Request<B>, R, E> for Thrice {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, _: &mut Result<R, E>) -> Option<Self::Future> {
        self.0 += 1;
        (self.0 < 3).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn the_header_is_marked_sensitive_on_every_request_retries_included() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let api = {
        let seen = seen.clone();
        service_fn(move |request: Request<()>| {
            let values: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
            assert!(values.iter().all(|value| value.is_sensitive()));
            let carried: Vec<_> = values
                .iter()
                .map(|v| v.to_str().unwrap().to_owned())
                .collect();
            seen.lock().unwrap().extend(carried);
            let answer = Response::builder()
                .status(StatusCode::UNAUTHORIZED)
                .body(());
            async { answer }
        })
    };
    let service = Retry::new(Thrice(0), layer(&Tokens::new()).layer(api));
    for own in [None, Some("Bearer callers-own")] {
        let mut request = Request::get("/").body(()).unwrap();
        let own = own.map(|value| (AUTHORIZATION, value.parse().unwrap()));
        request.headers_mut().extend(own);
        service.clone().oneshot(request).await.unwrap();
    }
    // The first rejection renews at once; the later ones wait for their turn.
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[..2], ["Bearer t1", "Bearer t2"]);
}

/// RFC 7541, section 6: the forms in which a header field may be sent.
#[derive(Debug, PartialEq)]
enum Form {
    Indexed,
    AddedToTheTable,
    NotAdded,
    NeverIndexed,
}

/// The fields of a header block, in order: their form, and the index of their
/// name in the table, 0 for a name that is spelled out.
fn fields(mut block: &[u8]) -> Vec<(Form, usize)> {
    let mut fields = Vec::new();
    while let Some(&first) = block.first() {
        let (form, prefix) = match first {
            0x80.. => (Form::Indexed, 7),
            0x40.. => (Form::AddedToTheTable, 6),
            0x20.. => {
                integer(&mut block, 5);
                continue;
            }
            0x10.. => (Form::NeverIndexed, 4),
            _ => (Form::NotAdded, 4),
        };
        let name = integer(&mut block, prefix);
        if form != Form::Indexed {
            // The name where it has no index, and the value: strings, whose
            // first bit says whether they are compressed.
            for _ in 0..if name == 0 { 2 } else { 1 } {
                let length = integer(&mut block, 7);
                block = &block[length..];
            }
        }
        fields.push((form, name));
    }
    fields
}

/// RFC 7541, section 5.1.
fn integer(block: &mut &[u8], prefix: u32) -> usize {
    let mut next = || {
        let (&byte, rest) = block.split_first().unwrap();
        *block = rest;
        usize::from(byte)
    };
    let most = (1 << prefix) - 1;
    let mut value = next() & most;
    let mut shift = 0;
    while value >= most {
        let byte = next();
        value += (byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    value
}

#[test]
fn the_tests_decoder_tells_the_forms_apart() {
    // RFC 7541, C.2.1 to C.2.4, and a name and value that are never indexed.
    let block = b"\x40\x0acustom-key\x0dcustom-header\
        \x04\x0c/sample/path\x10\x08password\x06secret\x82\x20\x1f\x08\x01x";
    let expected = [
        (Form::AddedToTheTable, 0),
        (Form::NotAdded, 4),
        (Form::NeverIndexed, 0),
        (Form::Indexed, 2),
        (Form::NeverIndexed, STATIC_AUTHORIZATION),
    ];
    assert_eq!(fields(block), expected);
}

/// A server that answers every request with an empty 200 and keeps the header
/// blocks as they came.
async fn serve(mut stream: DuplexStream, blocks: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    stream
        .write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4]) {
            (SETTINGS, 0) => {
                stream
                    .write_all(&[0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0])
                    .await
                    .unwrap();
            }
            (HEADERS, flags) => {
                // Without padding or priority, and in one frame.
                assert_eq!(flags & !END_STREAM, END_HEADERS);
                blocks.lock().unwrap().push(payload);
                let mut answer = vec![0, 0, 1, HEADERS, END_HEADERS | END_STREAM];
                answer.extend(&head[5..]);
                // `:status: 200`, by its index.
                answer.push(0x88);
                stream.write_all(&answer).await.unwrap();
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn over_http_2_the_header_is_never_indexed() {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let blocks = Arc::new(Mutex::new(Vec::new()));
    let server = tokio::spawn(serve(server, blocks.clone()));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(client))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let http = service_fn(move |request: Request<Empty<Bytes>>| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    let service = layer(&Tokens::new()).layer(http);
    for _ in 0..3 {
        let request = Request::get("https://api.fiskil.com/v1/end-users")
            .header("x-request-id", "the-same-every-time")
            .body(Empty::new())
            .unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap();
    }
    drop(service);
    connection.await.unwrap().unwrap();
    server.await.unwrap();

    let blocks = blocks.lock().unwrap();
    assert_eq!(blocks.len(), 3);
    for block in blocks.iter() {
        let never: Vec<_> = fields(block)
            .into_iter()
            .filter(|(form, _)| *form == Form::NeverIndexed)
            .collect();
        assert_eq!(never, [(Form::NeverIndexed, STATIC_AUTHORIZATION)]);
    }
    // Other headers are: the first request adds them to the table, and the third
    // has nothing to add.
    let added = |block: &[u8]| {
        let is_added = |(form, _): &(Form, usize)| *form == Form::AddedToTheTable;
        fields(block).iter().filter(|field| is_added(field)).count()
    };
    assert_eq!((added(&blocks[0]) > 0, added(&blocks[2])), (true, 0));
}

/// RFC 7541, appendix A.
const STATIC_AUTHORIZATION: usize = 23;

/// RFC 9113, section 6.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
