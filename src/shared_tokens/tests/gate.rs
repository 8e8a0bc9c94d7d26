//! A store and a token endpoint at which nothing happens before a test lets it:
//! commands and their answers in any order, late, or never.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tower_service::Service;

use crate::shared_tokens::memory::MemoryStore;
use crate::shared_tokens::protocol::{Answer, Ask, Lock, Names, StoreTime, Written};
use crate::shared_tokens::store::{Session, Store, StoreError, StoreFuture};
use crate::{Error, ErrorKind, Token, TokenRequest};

/// Clones are the same gate.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) store: MemoryStore,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mode: Mode,
    commands: Vec<Command>,
    exchanges: Vec<(u32, oneshot::Sender<()>)>,
    started: u32,
    running: u32,
    most_running: u32,
    fails: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mode {
    /// Everything happens at once.
    #[default]
    Open,
    Closed,
}

/// On its way to the store, or its answer on the way back. Whoever sent it may have
/// given it up: that does not stop it.
enum Command {
    Sent(Box<dyn FnOnce(&MemoryStore) -> Deliver + Send>),
    Done(Deliver),
}

type Deliver = Box<dyn FnOnce() + Send>;

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            state: Arc::default(),
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.mode = Mode::Closed;
        (state.started, state.most_running) = (0, 0);
    }

    /// Nothing waits any more, either.
    pub(super) fn open(&self) {
        self.lock().mode = Mode::Open;
    }

    /// From here on, exchanges fail.
    pub(super) fn fail(&self) {
        self.lock().fails = true;
    }

    pub(super) fn heal(&self) {
        self.lock().fails = false;
    }

    /// The commands and answers that are under way.
    pub(super) fn commands(&self) -> usize {
        self.lock().commands.len()
    }

    /// The exchanges that have not been answered.
    pub(super) fn exchanges(&self) -> usize {
        self.lock().exchanges.len()
    }

    /// How many exchanges there were since it was closed, and at once.
    pub(super) fn counts(&self) -> (u32, u32) {
        let state = self.lock();
        (state.started, state.most_running)
    }

    /// Command or answer goes on to where it is sent.
    pub(super) fn pass_on(&self, at: usize) {
        let command = self.lock().commands.remove(at);
        match command {
            Command::Sent(arrive) => {
                let answer = Command::Done(arrive(&self.store));
                self.lock().commands.insert(at, answer);
            }
            Command::Done(deliver) => deliver(),
        }
    }

    /// The connection of this command or answer breaks.
    pub(super) fn lose(&self, at: usize) {
        self.lock().commands.remove(at);
    }

    /// The exchange is answered.
    pub(super) fn answer(&self, at: usize) {
        let (_, answer) = self.lock().exchanges.remove(at);
        let _ = answer.send(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn send<T: Send + 'static>(
        &self,
        run: impl FnOnce(MemoryStore) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'static, T> {
        let (sender, receiver) = oneshot::channel();
        let arrive = move |store: &MemoryStore| -> Deliver {
            let answer = run(store.clone());
            Box::new(move || drop(sender.send(answer)))
        };
        let mode = self.lock().mode;
        match mode {
            Mode::Open => arrive(&self.store)(),
            Mode::Closed => self.lock().commands.push(Command::Sent(Box::new(arrive))),
        }
        Box::pin(async {
            let reset = |_| Err(StoreError("the connection was reset".to_owned()));
            receiver.await.unwrap_or_else(reset)
        })
    }
}

impl Store for Gate {
    fn session(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }
}

impl Session for Gate {
    fn decide<'a>(&'a mut self, names: &'a Names, ask: &'a Ask) -> StoreFuture<'a, Answer> {
        let (names, ask) = (names.clone(), ask.clone());
        self.send(move |mut store| store.decide(&names, &ask).now_or_never().unwrap())
    }

    fn publish<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        expires: StoreTime,
    ) -> StoreFuture<'a, Written> {
        let (names, lock, entry) = (names.clone(), lock.clone(), entry.to_vec());
        self.send(move |mut store| {
            let publishing = store.publish(&names, &lock, &entry, expires);
            publishing.now_or_never().unwrap()
        })
    }

    fn fail<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        forgotten: StoreTime,
    ) -> StoreFuture<'a, Written> {
        let (names, lock, entry) = (names.clone(), lock.clone(), entry.to_vec());
        self.send(move |mut store| {
            let failing = store.fail(&names, &lock, &entry, forgotten);
            failing.now_or_never().unwrap()
        })
    }

    fn extend<'a>(&'a mut self, names: &'a Names, lock: &'a Lock) -> StoreFuture<'a, Written> {
        let (names, lock) = (names.clone(), lock.clone());
        self.send(move |mut store| store.extend(&names, &lock).now_or_never().unwrap())
    }
}

/// The token endpoint: the nth exchange since the gate was closed brings `tn`.
impl Service<TokenRequest> for Gate {
    type Response = Token;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Token, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        let (sender, answered) = oneshot::channel();
        let mut state = self.lock();
        let n = match state.mode {
            Mode::Open => {
                let _ = sender.send(());
                0
            }
            Mode::Closed => {
                state.started += 1;
                let n = state.started;
                state.exchanges.push((n, sender));
                n
            }
        };
        state.running += 1;
        state.most_running = state.most_running.max(state.running);
        let (fails, running) = (state.fails, Running(self.state.clone(), n));
        Box::pin(async move {
            let _running = running;
            let _ = answered.await;
            match fails {
                true => Err(Error::new(ErrorKind::Unavailable, "down")),
                false => Token::new(format!("t{n}"), Duration::from_secs(900)),
            }
        })
    }
}

/// An exchange whose asker is there. Without one nobody waits for its answer.
struct Running(Arc<Mutex<State>>, u32);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap();
        state.running -= 1;
        state.exchanges.retain(|(n, _)| *n != self.1);
    }
}
