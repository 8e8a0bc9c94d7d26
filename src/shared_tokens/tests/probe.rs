//! A store whose answers are lost, late or never come, as a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use crate::shared_tokens::protocol::{Answer, Ask, Lock, Names, StoreTime, Written};
use crate::shared_tokens::store::{Session, Store, StoreError, StoreFuture};

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// Reaches the store after so long, and the answer comes after as long again.
    Late(Duration),
    /// Does not reach the store.
    Fails,
    /// Takes place, but the answer is lost.
    AnswerLost,
    /// Does not reach the store, and is never answered.
    Hangs,
    /// Takes place, and is never answered.
    AnswerHangs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Decide,
    Publish,
    Fail,
    Extend,
}

type Rule = Box<dyn FnMut(Operation) -> Fate + Send>;

/// Clones are the same way to the same store.
#[derive(Clone)]
pub(super) struct Probe<S> {
    store: S,
    rule: Arc<Mutex<Rule>>,
    operations: Arc<Mutex<Vec<Operation>>>,
}

impl<S> Probe<S> {
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            rule: Arc::new(Mutex::new(Box::new(|_| Fate::Done))),
            operations: Arc::default(),
        }
    }

    pub(super) fn set(&self, rule: impl FnMut(Operation) -> Fate + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// What was asked for so far.
    pub(super) fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap().clone()
    }

    fn fate(&self, operation: Operation) -> Fate {
        self.operations.lock().unwrap().push(operation);
        (self.rule.lock().unwrap())(operation)
    }
}

impl<S: Store + Clone> Store for Probe<S> {
    fn session(&self) -> Box<dyn Session> {
        Box::new(ProbeSession {
            session: self.store.session(),
            probe: self.clone(),
        })
    }
}

struct ProbeSession<S> {
    session: Box<dyn Session>,
    probe: Probe<S>,
}

impl<S: Send> ProbeSession<S> {
    fn meet<'a, T: Send + 'a>(fate: Fate, operation: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            match fate {
                Fate::Done => operation.await,
                Fate::Late(span) => {
                    sleep(span).await;
                    let answer = operation.await;
                    sleep(span).await;
                    answer
                }
                Fate::Fails => Err(StoreError("the connection was reset".to_owned())),
                Fate::AnswerLost => {
                    drop(operation.await);
                    Err(StoreError("the connection was reset".to_owned()))
                }
                Fate::Hangs => std::future::pending().await,
                Fate::AnswerHangs => {
                    drop(operation.await);
                    std::future::pending().await
                }
            }
        })
    }
}

impl<S: Send> Session for ProbeSession<S> {
    fn decide<'a>(&'a mut self, names: &'a Names, ask: &'a Ask) -> StoreFuture<'a, Answer> {
        let fate = self.probe.fate(Operation::Decide);
        Self::meet(fate, self.session.decide(names, ask))
    }

    fn publish<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        expires: StoreTime,
    ) -> StoreFuture<'a, Written> {
        let fate = self.probe.fate(Operation::Publish);
        Self::meet(fate, self.session.publish(names, lock, entry, expires))
    }

    fn fail<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        forgotten: StoreTime,
    ) -> StoreFuture<'a, Written> {
        let fate = self.probe.fate(Operation::Fail);
        Self::meet(fate, self.session.fail(names, lock, entry, forgotten))
    }

    fn extend<'a>(&'a mut self, names: &'a Names, lock: &'a Lock) -> StoreFuture<'a, Written> {
        let fate = self.probe.fate(Operation::Extend);
        Self::meet(fate, self.session.extend(names, lock))
    }
}
