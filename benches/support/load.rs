//! A steady load, and what becomes of each request.
#![allow(dead_code, unreachable_pub)]

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tokio::time::{MissedTickBehavior, interval};
use tower::Service;

pub const PER_SECOND: u32 = 1_000;

/// One request.
pub struct Sent {
    /// After the load began.
    pub at: Duration,
    pub took: Duration,
    /// It was not answered at once, as the API does.
    pub waited: bool,
    /// It got its token and was answered.
    pub ok: bool,
}

/// Sends [`PER_SECOND`] requests a second for `span`, each as a task of its own,
/// and waits for all of them.
pub async fn send<S, B>(service: &S, span: Duration) -> Vec<Sent>
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Send,
{
    let began = Instant::now();
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
    // After a pause of the machine, what was missed is sent at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = Vec::new();
    while began.elapsed() < span {
        ticks.tick().await;
        let mut service = service.clone();
        tasks.push(tokio::spawn(async move {
            let (at, from) = (began.elapsed(), Instant::now());
            let mut response = pin!(service.call(Request::new(())));
            let mut waited = false;
            let response = poll_fn(|cx| {
                let poll = response.as_mut().poll(cx);
                waited |= poll.is_pending();
                poll
            });
            let ok = matches!(response.await, Ok(response) if response.status().is_success());
            Sent {
                at,
                took: from.elapsed(),
                waited,
                ok,
            }
        }));
    }
    let mut sent = Vec::with_capacity(tasks.len());
    for task in tasks {
        sent.push(task.await.unwrap());
    }
    sent
}

/// The latency in microseconds that this many of a thousand requests stay within.
pub fn micros(sent: &[Sent], of_a_thousand: usize) -> f64 {
    let mut took: Vec<_> = sent.iter().map(|sent| sent.took).collect();
    took.sort();
    let index = (took.len() * of_a_thousand / 1_000).min(took.len() - 1);
    took[index].as_secs_f64() * 1e6
}

/// An API that answers at once; boxed, as the futures of hyper-util and tonic are.
pub fn answer(_: Request<()>) -> BoxFuture<'static, Result<Response<()>, Infallible>> {
    ready(Ok(Response::new(()))).boxed()
}
