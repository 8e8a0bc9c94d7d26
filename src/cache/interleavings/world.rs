//! One cache under loom, and what its threads do with it.

use std::sync::Arc;
use std::time::Duration;

use loom::future::block_on;
use loom::thread;
use tokio::runtime::{Builder, Runtime};
use tower::service_fn;

use crate::cache::cached::CachedToken;
use crate::cache::exchange::Exchange;
use crate::cache::flight::{Flight, Landing};
use crate::cache::shared::{Shared, Step};
use crate::cache::wait::Wait;
use crate::{Credentials, Error, ErrorKind, Token, TokenRequest};

/// What the threads of one execution share.
pub(super) struct World {
    pub(super) cache: Arc<Shared>,
    runtime: Runtime,
}

/// Runs `model` in every interleaving with up to three preemptions.
pub(super) fn check(model: impl Fn(&World) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        // loom's threads are coroutines of one thread: all are within it.
        let _entered = runtime.enter();
        let service = service_fn(async |_: TokenRequest| Err(down()));
        let exchange = Exchange::new(Credentials::new("id", "secret"), service);
        let cache = Shared::new(exchange);
        model(&World { cache, runtime });
    });
}

impl World {
    pub(super) fn spawn<F, T>(&self, f: F) -> thread::JoinHandle<T>
    where
        F: FnOnce(&Arc<Shared>) -> T + 'static,
        T: 'static,
    {
        let cache = self.cache.clone();
        thread::spawn(move || f(&cache))
    }

    /// Ends `flight` with the nth token.
    pub(super) fn land(&self, flight: &Flight, n: u32) -> Option<Landing> {
        let token = Token::new(n.to_string(), Duration::from_secs(900)).unwrap();
        let outcome = Ok((token, self.cache.clock.now()));
        self.cache.end(flight, Some(outcome))
    }

    pub(super) fn fail(&self, flight: &Flight) -> Option<Landing> {
        self.cache.end(flight, Some(Err(down())))
    }

    pub(super) fn publish(&self, n: u32) -> Arc<CachedToken> {
        let flight = self.cache.claim(true).unwrap();
        self.land(&flight, n);
        self.cache.fresh().unwrap()
    }

    pub(super) fn pass(&self, span: Duration) {
        self.runtime.block_on(tokio::time::advance(span));
    }
}

pub(super) fn claim(cache: &Arc<Shared>) -> bool {
    matches!(cache.decide(false), Step::Claim) && cache.claim(false).is_some()
}

pub(super) fn wait(cache: &Arc<Shared>) -> Result<Arc<CachedToken>, Error> {
    block_on(Wait::new(cache.clone(), Wait::PATIENCE))
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "down")
}
