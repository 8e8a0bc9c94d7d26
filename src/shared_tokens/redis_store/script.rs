//! The scripts as commands, and what is told of an error of theirs.

use std::fmt::Display;
use std::sync::LazyLock;

use redis::{Cmd, RedisError};

use crate::BoxError;
use crate::shared_tokens::protocol::scripts;
use crate::shared_tokens::store::StoreError;

/// A script, and the hash by which a server that has seen it knows it.
pub(super) struct Script {
    pub(super) text: &'static str,
    pub(super) hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    pub(super) fn command(
        &self,
        name: &str,
        script: &str,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
        command
    }
}

pub(super) static DECIDE: LazyLock<Script> = LazyLock::new(|| Script::new(&scripts::DECIDE));
pub(super) static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(&scripts::PUBLISH));
pub(super) static FAIL: LazyLock<Script> = LazyLock::new(|| Script::new(&scripts::FAIL));
pub(super) static EXTEND: LazyLock<Script> = LazyLock::new(|| Script::new(&scripts::EXTEND));

/// What an error says, without what the server says: that may be anything.
pub(super) fn describe(error: &RedisError) -> StoreError {
    let io = crate::error::find::<std::io::Error>(error);
    let what: &dyn Display = match &io {
        Some(io) => &io.kind(),
        None => &error.category(),
    };
    let is_code = |code: &&str| code.len() <= 32 && code.bytes().all(|b| b.is_ascii_uppercase());
    match error.code().filter(is_code) {
        Some(code) => StoreError(format!("{what} ({code})")),
        None => StoreError(what.to_string()),
    }
}

/// An error of the user's own way to connect, which may have a password in it.
pub(super) fn foreign(error: BoxError) -> StoreError {
    match crate::error::find(error.as_ref()) {
        Some(error) => describe(error),
        None => StoreError("its connection could not be opened".to_owned()),
    }
}
