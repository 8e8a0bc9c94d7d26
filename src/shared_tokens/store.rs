//! What the protocol needs of a store: a Redis, or one in memory.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::protocol::{Answer, Ask, Lock, Names, StoreTime, Written};

pub(super) type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store that a fleet shares.
pub(super) trait Store: Send + Sync + 'static {
    /// For one fetch. Does not connect yet.
    fn session(&self) -> Box<dyn Session>;
}

/// One fetch's way to the store. Each operation is atomic, and a future that is
/// dropped leaves it open whether the operation took place.
pub(super) trait Session: Send {
    /// Decides what a fetch does, and takes the lock where it is to exchange.
    fn decide<'a>(&'a mut self, names: &'a Names, ask: &'a Ask) -> StoreFuture<'a, Answer>;

    /// Stores a token until it expires, ends the hold and frees the lock.
    fn publish<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        expires: StoreTime,
    ) -> StoreFuture<'a, Written>;

    /// Stores a failure, unless the entry is empty, and frees the lock.
    fn fail<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        forgotten: StoreTime,
    ) -> StoreFuture<'a, Written>;

    /// Starts the lease anew.
    fn extend<'a>(&'a mut self, names: &'a Names, lock: &'a Lock) -> StoreFuture<'a, Written>;
}

/// Why the store can't be used. Its text is this crate's own: what a server
/// answers may be anything.
#[derive(Clone, Debug)]
pub(super) struct StoreError(pub(super) String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
