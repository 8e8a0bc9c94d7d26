//! Reading a body up to a limit.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use http_body::Body;
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::BoxError;
use crate::runtime::Timer;

/// Why a body could not be read whole.
pub(super) enum Incomplete {
    TooLong,
    Broken {
        source: BoxError,
        received: Zeroizing<Vec<u8>>,
    },
}

/// Reads a whole body, which may have a token in it: into one allocation that
/// never moves and is wiped.
pub(super) async fn read<R>(body: R) -> Result<Zeroizing<Vec<u8>>, Incomplete>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut received = Zeroizing::new(Vec::with_capacity(LIMIT));
    // Frames are counted too: a body could go on forever with empty ones.
    for _ in 0..LIMIT {
        let frame = match body.frame().await {
            None => return Ok(received),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let source = error.into();
                return Err(Incomplete::Broken { source, received });
            }
        };
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        if data.remaining() > LIMIT.saturating_sub(received.len()) {
            return Err(Incomplete::TooLong);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            received.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Err(Incomplete::TooLong)
}

/// Reads a whole body, if it comes within `span`. Without a tokio runtime it may
/// take any time.
pub(super) async fn read_for<R>(span: Duration, body: R) -> Option<Zeroizing<Vec<u8>>>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    let mut timer = Timer::after(span).ok();
    let mut body = pin!(read(body));
    poll_fn(|cx| match (body.as_mut().poll(cx), &mut timer) {
        (Poll::Ready(read), _) => Poll::Ready(read.ok()),
        (Poll::Pending, Some(timer)) => timer.poll(cx).map(|_| None),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}

/// Answers have a few hundred bytes, and the largest usable token 8 KiB.
const LIMIT: usize = 64 * 1024;
