//! The body of an answer: complete, or one that drips for ever.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::time::{Sleep, sleep};

/// The body of a sandbox's answer.
///
/// ```
/// use bytes::Bytes;
/// use fiskil_auth::sandbox::{Sandbox, SandboxBody};
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Empty};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = Request::get("/v1/nothing").body(Empty::<Bytes>::new())?;
/// let answer: Response<SandboxBody> = Sandbox::new().service().oneshot(request).await?;
/// let object = answer.into_body().collect().await?.to_bytes();
/// assert!(object.starts_with(br#"{"fault":false,"id":"err_"#));
/// # Ok(())
/// # }
/// ```
///
/// `Debug` doesn't show it: it may hold a token.
pub struct SandboxBody {
    kind: Kind,
}

enum Kind {
    Full(Full<Bytes>),
    /// Holds the wait for the next byte, once one began.
    Trickle(Option<Pin<Box<Sleep>>>),
}

impl SandboxBody {
    pub(super) fn trickle() -> Self {
        Self {
            kind: Kind::Trickle(None),
        }
    }
}

impl Body for SandboxBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.kind {
            Kind::Full(body) => Pin::new(body).poll_frame(cx),
            Kind::Trickle(wait) => {
                let pause = wait.get_or_insert_with(|| Box::pin(sleep(DRIP_INTERVAL)));
                ready!(pause.as_mut().poll(cx));
                *wait = None;
                Poll::Ready(Some(Ok(Frame::data(DRIP))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(body) => body.is_end_stream(),
            Kind::Trickle(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(body) => body.size_hint(),
            Kind::Trickle(_) => SizeHint::default(),
        }
    }
}

impl From<Bytes> for SandboxBody {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full(Full::new(bytes)),
        }
    }
}

impl fmt::Debug for SandboxBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBody").finish_non_exhaustive()
    }
}

/// Below every timeout between two reads, so that only a total one ends it.
const DRIP_INTERVAL: Duration = Duration::from_secs(1);

/// A blank may stand before any JSON, so no parser gives up early.
const DRIP: Bytes = Bytes::from_static(b" ");
