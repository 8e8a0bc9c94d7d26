//! The exchange itself: the token service beneath, alone or while the lock is
//! kept.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tower_service::Service;

use super::bounded;
use super::protocol::{Lock, Names};
use super::store::Session;
use crate::panics::catch_future;
use crate::{BoxError, Error, ErrorKind, Token, TokenRequest};

/// A token, and when its exchange was started, from which its lifetime counts.
pub(super) type Outcome = Result<(Token, Instant), Error>;

/// The token service beneath, for one exchange, as an object: what is above is
/// compiled once, not for each service.
pub(super) type Exchange = Pin<Box<dyn Future<Output = Outcome> + Send>>;

///
/// It ends by `deadline`, and a panic is an outcome, too: either must free the lock
/// and be told to the fleet.
pub(super) fn exchange<S>(service: S, request: TokenRequest, deadline: Instant) -> Exchange
where
    S: Service<TokenRequest, Response = Token> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    Box::pin(async move {
        // Within it, all that is foreign is dropped as well, which may panic.
        let outcome = catch_future(async move {
            let outcome = timeout_at(deadline, run(service, request)).await;
            outcome.unwrap_or_else(|_| Err(overdue()))
        });
        outcome.await.unwrap_or_else(|| Err(panicked()))
    })
}

async fn run<S>(mut service: S, request: TokenRequest) -> Outcome
where
    S: Service<TokenRequest, Response = Token>,
    S::Error: Into<BoxError>,
{
    let sent = request.clone();
    let foreign = |source| Error::foreign(ErrorKind::TokenService, FAILED, source, &sent.secrets());
    let ready = poll_fn(|cx| service.poll_ready(cx)).await;
    ready.map_err(Into::into).map_err(foreign)?;
    let started = Instant::now();
    let token = service.call(request).await;
    let token = token.map_err(Into::into).map_err(foreign)?;
    Ok((token, started))
}

/// Runs an exchange and extends the lease meanwhile, so that nobody takes the lock
/// while this process lives.
pub(super) async fn with_lock(
    mut exchange: Exchange,
    session: &mut dyn Session,
    names: &Names,
    lock: &Lock,
) -> Outcome {
    loop {
        // Whether that worked shows when the token is to be published.
        let extended = pin!(async {
            sleep(EXTEND_AFTER).await;
            let _ = bounded(EXTEND_AFTER, session.extend(names, lock)).await;
        });
        match first(exchange.as_mut(), extended).await {
            First::Left(outcome) => return outcome,
            First::Right(()) => {}
        }
    }
}

enum First<L, R> {
    Left(L),
    Right(R),
}

/// Whichever ends first.
async fn first<L: Future + ?Sized, R: Future>(
    mut left: Pin<&mut L>,
    mut right: Pin<&mut R>,
) -> First<L::Output, R::Output> {
    poll_fn(|cx: &mut Context<'_>| {
        if let Poll::Ready(left) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(left));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}

fn overdue() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the token service brought no token within the deadline: \
         check that the token endpoint can be reached and answers in time",
    )
}

fn panicked() -> Error {
    Error::new(
        ErrorKind::TokenService,
        "the token service panicked: the panic's own message has been printed by the panic hook",
    )
}

/// Well within the lease, also where one answer of the store is lost.
const EXTEND_AFTER: Duration = Duration::from_secs(1);

const FAILED: &str = "the token service failed: see the source";
