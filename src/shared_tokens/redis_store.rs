//! The store in a Redis or a Valkey: each operation is one script.

mod connect;
mod script;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, RedisError, ServerErrorKind, Value};

pub(super) use self::connect::Address;
use self::connect::Connection;
use self::script::{DECIDE, EXTEND, FAIL, PUBLISH, Script, describe, foreign};
use super::protocol::{Answer, Ask, Exchange, Lock, Names, Renewal, StoreTime, What, Written};
use super::store::{Session, Store, StoreError, StoreFuture};
use crate::BoxError;

/// A way to connect, as an object.
trait Connect: Send + Sync {
    fn connect(&self) -> StoreFuture<'_, Connection>;
}

impl Connect for Address {
    fn connect(&self) -> StoreFuture<'_, Connection> {
        Box::pin(self.open())
    }
}

/// A user's own way to connect.
struct Closure<F>(F);

impl<F, Fut, C, E> Connect for Closure<F>
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<C, E>> + Send,
    C: ConnectionLike + Send + 'static,
    E: Into<BoxError>,
{
    fn connect(&self) -> StoreFuture<'_, Connection> {
        Box::pin(async {
            match (self.0)().await {
                Ok(connection) => Ok(Connection::foreign(connection)),
                Err(error) => Err(foreign(error.into())),
            }
        })
    }
}

/// Clones use the same way to connect.
#[derive(Clone)]
pub(super) struct RedisStore {
    connect: Arc<dyn Connect>,
}

impl RedisStore {
    pub(super) fn at(address: Address) -> Self {
        Self {
            connect: Arc::new(address),
        }
    }

    pub(super) fn by<F, Fut, C, E>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send,
        C: ConnectionLike + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            connect: Arc::new(Closure(connect)),
        }
    }
}

impl Store for RedisStore {
    fn session(&self) -> Box<dyn Session> {
        Box::new(RedisSession {
            connect: self.connect.clone(),
            connection: None,
        })
    }
}

/// One fetch's connection: opened when it is first needed and closed at the end,
/// since one that is kept for the minutes in between may be dead without a sign.
struct RedisSession {
    connect: Arc<dyn Connect>,
    /// Not here while it is in use: an answer that nobody waited for must not be
    /// taken for that of the next command.
    connection: Option<Connection>,
}

impl RedisSession {
    async fn run(
        &mut self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let mut retried = false;
        loop {
            let outcome = self.try_once(script, keys, arguments).await;
            match outcome {
                Err(Failed::Connection(_)) if !retried => retried = true,
                Err(Failed::Connection(error) | Failed::Server(error)) => return Err(error),
                Ok(value) => return Ok(value),
            }
        }
    }

    async fn try_once(
        &mut self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value, Failed> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect.connect().await.map_err(Failed::Connection)?,
        };
        let by_hash = script.command("EVALSHA", &script.hash, keys, arguments);
        let outcome = match send(&mut connection, &by_hash).await {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
                let whole = script.command("EVAL", script.text, keys, arguments);
                send(&mut connection, &whole).await
            }
            outcome => outcome,
        };
        match outcome {
            Ok(value) => {
                self.connection = Some(connection);
                Ok(value)
            }
            Err(error) if error.is_io_error() => Err(Failed::Connection(describe(&error))),
            Err(error) => Err(Failed::Server(describe(&error))),
        }
    }
}

enum Failed {
    /// On the way: worth another connection.
    Connection(StoreError),
    /// The server said so.
    Server(StoreError),
}

async fn send(connection: &mut Connection, command: &Cmd) -> Result<Value, RedisError> {
    match connection.commands.req_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

impl Session for RedisSession {
    fn decide<'a>(&'a mut self, names: &'a Names, ask: &'a Ask) -> StoreFuture<'a, Answer> {
        Box::pin(async move {
            let keys = [&names.token, &names.hold, &names.lock, &names.rejections];
            let exchange: &[u8] = match ask.exchange {
                Exchange::IfNobodyElse => b"yes",
                Exchange::No => b"no",
            };
            let renewal: &[u8] = match ask.renewal {
                Renewal::Due => b"due",
                Renewal::Rejected => b"rejected",
                Renewal::RejectedStill => b"still",
            };
            let (tag, id) = ask.held.unzip();
            let id = id.flatten();
            let arguments = [
                ask.lock.0.as_slice(),
                exchange,
                tag.as_ref().map_or(&[], |tag| tag.as_slice()),
                id.as_ref().map_or(&[], |id| id.as_slice()),
                ask.rejected.as_flattened(),
                renewal,
                &ask.unreadable.token,
                &ask.unreadable.hold,
                &ask.unreadable.lock,
            ];
            let value = self
                .run(&DECIDE, &keys.map(String::as_str), &arguments)
                .await?;
            answer(value).ok_or_else(unintelligible)
        })
    }

    fn publish<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        expires: StoreTime,
    ) -> StoreFuture<'a, Written> {
        Box::pin(async move {
            let keys = [&names.token, &names.hold, &names.lock].map(String::as_str);
            let expires = expires.0.to_string();
            let arguments = [&lock.0, entry, expires.as_bytes()];
            written(self.run(&PUBLISH, &keys, &arguments).await?)
        })
    }

    fn fail<'a>(
        &'a mut self,
        names: &'a Names,
        lock: &'a Lock,
        entry: &'a [u8],
        forgotten: StoreTime,
    ) -> StoreFuture<'a, Written> {
        Box::pin(async move {
            let keys = [&names.hold, &names.lock].map(String::as_str);
            let forgotten = forgotten.0.to_string();
            let arguments = [&lock.0, entry, forgotten.as_bytes()];
            written(self.run(&FAIL, &keys, &arguments).await?)
        })
    }

    fn extend<'a>(&'a mut self, names: &'a Names, lock: &'a Lock) -> StoreFuture<'a, Written> {
        Box::pin(async move {
            let keys = [names.lock.as_str()];
            written(self.run(&EXTEND, &keys, &[&lock.0]).await?)
        })
    }
}

fn answer(value: Value) -> Option<Answer> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [
        Value::BulkString(what),
        Value::Int(now),
        Value::BulkString(entry),
        Value::Int(left),
    ] = <[Value; 4]>::try_from(parts).ok()?
    else {
        return None;
    };
    // A key that has no lifetime has -1 of it.
    let left = u64::try_from(left).ok().map(Duration::from_millis);
    let what = match what.as_slice() {
        b"token" => What::Token { entry, left },
        b"hold" => What::Hold { entry, left: left? },
        b"wait" => What::Wait { lock: entry },
        b"free" => What::Free,
        b"spaced" => What::Spaced { left: left? },
        b"exchange" => What::Exchange { before: entry },
        _ => return None,
    };
    let now = StoreTime(u64::try_from(now).ok()?);
    Some(Answer { now, what })
}

fn written(value: Value) -> Result<Written, StoreError> {
    match value {
        Value::Int(1) => Ok(Written::Done),
        Value::Int(0) => Ok(Written::NotOurs),
        _ => Err(unintelligible()),
    }
}

fn unintelligible() -> StoreError {
    StoreError("it answered with something else than what its script returns".to_owned())
}
