//! One cache under loom, and what its threads do with it.

use std::sync::Arc;
use std::time::Duration;

use loom::future::block_on;
use loom::thread;
use tokio::runtime::{Builder, Runtime};
use tower::service_fn;

use crate::cache::core::{Ask, Ending, Outcome, Step, Usable};
use crate::cache::fetcher::Fetcher;
use crate::cache::flight::Flight;
use crate::cache::mark::Mark;
use crate::cache::shards::Own;
use crate::cache::shared::Shared;
use crate::cache::wait::{Budget, Wait};
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
        let cache = cache();
        model(&World { cache, runtime });
    });
}

/// A cache that no thread has seen yet.
pub(super) fn cache() -> Arc<Shared> {
    let service = service_fn(async |_: TokenRequest| Err(down()));
    Shared::new(Fetcher::new(Credentials::new("id", "secret"), service))
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
    pub(super) fn bring(&self, flight: &Arc<Flight>, n: u32) -> Option<Outcome<Error>> {
        bring(&self.cache, flight, n)
    }

    pub(super) fn fail(&self, flight: &Arc<Flight>) -> Option<Outcome<Error>> {
        self.cache.complete(flight, Ending::Failed(down()))
    }

    pub(super) fn publish(&self, n: u32) -> Mark {
        publish(&self.cache, n)
    }

    pub(super) fn claim(&self, ask: Ask) -> Arc<Flight> {
        self.cache.claim(ask).unwrap()
    }

    /// The flight under way.
    pub(super) fn flight(&self) -> Arc<Flight> {
        match self.cache.step(Ask::Refresh) {
            Step::Join { flight, .. } => flight,
            step => panic!("{step:?}"),
        }
    }

    /// What a request remembers that is sent now with the suspect token.
    pub(super) fn suspect_mark(&self) -> Mark {
        self.cache.mark(&self.cache.in_use().unwrap())
    }

    pub(super) fn pass(&self, span: Duration) {
        self.runtime.block_on(tokio::time::advance(span));
    }
}

/// Puts the nth token in use.
pub(super) fn publish(cache: &Arc<Shared>, n: u32) -> Mark {
    let flight = cache.claim(Ask::Refresh).unwrap();
    bring(cache, &flight, n);
    fresh(cache).unwrap()
}

fn bring(cache: &Arc<Shared>, flight: &Arc<Flight>, n: u32) -> Option<Outcome<Error>> {
    cache.complete(flight, Ending::Token(token(n), cache.clock.now()))
}

pub(super) fn token(n: u32) -> Token {
    Token::new(n.to_string(), Duration::from_secs(900)).unwrap()
}

/// What a request remembers that is sent now without asking.
pub(super) fn fresh(cache: &Arc<Shared>) -> Option<Mark> {
    let bearer = cache.fresh(&mut Own::Uncalled)?;
    Some(bearer.mark)
}

/// What a service holds on to that has been called twice.
pub(super) fn own(cache: &Arc<Shared>) -> Own {
    let mut own = Own::Uncalled;
    cache.fresh(&mut own).unwrap();
    cache.fresh(&mut own).unwrap();
    own
}

/// A request that is not due for a wait does so much.
pub(super) fn ask(cache: &Arc<Shared>) {
    drop(cache.step(Ask::Request));
    cache.publish_limit();
}

pub(super) fn claim(cache: &Arc<Shared>) -> bool {
    matches!(cache.step(Ask::Request), Step::Claim) && cache.claim(Ask::Request).is_some()
}

pub(super) fn wait(cache: &Arc<Shared>) -> Result<Usable<Token>, Error> {
    block_on(Wait::new(cache.clone(), Ask::Request, Budget::MAX))
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "down")
}
