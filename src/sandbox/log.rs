//! What a sandbox saw, for the output of a test that fails.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use http::Request;

use super::pairs::PairId;
use crate::redact::Secrets;

/// What a [`Sandbox`](super::Sandbox) saw lately: a line for each exchange and each
/// request, with the time since the sandbox was made, method and path, the client id
/// of the pair, and what became of it. No query, body, secret or token is in it.
///
/// It prints itself: it is meant for the message of an assertion that fails.
///
/// ```
/// use fiskil_auth::sandbox::Sandbox;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), fiskil_auth::Error> {
/// let sandbox = Sandbox::new();
/// sandbox.layer().tokens().token().await?;
///
/// let log = sandbox.log();
/// assert_eq!(sandbox.counts().exchanges, 1, "{log}");
/// //  0.000 s  POST /v1/token by sandbox_3kq9…: 200, a token for 900 s
/// # assert!(log.to_string().contains("200, a token for 900 s"), "{log}");
/// # Ok(())
/// # }
/// ```
///
/// Exchanges are noted when they are decided, requests to [guarded](super::Guarded)
/// routes when they are let in or refused, before the route answers. The latest 200 are
/// kept.
#[derive(Clone)]
pub struct Log {
    lines: Vec<String>,
    forgotten: u64,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.forgotten > 0 {
            writeln!(f, "({} more before)", self.forgotten)?;
        }
        if self.lines.is_empty() {
            return f.write_str("(nothing)");
        }
        f.write_str(&self.lines.join("\n"))
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log:\n{self}")
    }
}

/// The latest entries of the log.
#[derive(Default)]
pub(super) struct Entries {
    latest: VecDeque<Entry>,
    forgotten: u64,
}

/// A request that was seen, and what became of it.
pub(super) struct Entry {
    pub(super) at: Duration,
    pub(super) seen: Seen,
    pub(super) pair: Option<PairId>,
    pub(super) outcome: String,
}

/// What of a request may be kept.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    method_and_path: String,
}

impl Entries {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.latest.len() == MOST_ENTRIES {
            self.latest.pop_front();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.latest.push_back(entry);
    }

    /// The log as it is shown. `name` tells a pair's client id.
    pub(super) fn show<'a>(&self, name: impl Fn(PairId) -> &'a str, secrets: &Secrets<'_>) -> Log {
        let line = |entry: &Entry| {
            let Entry {
                at,
                seen,
                pair,
                outcome,
            } = entry;
            let who = seen.by(pair.map(&name), secrets);
            format!("{:>9.3} s  {who}: {outcome}", at.as_secs_f64())
        };
        Log {
            lines: self.latest.iter().map(line).collect(),
            forgotten: self.forgotten,
        }
    }
}

impl Seen {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let method_and_path = format!("{} {}", request.method(), request.uri().path());
        Self {
            method_and_path: match method_and_path.len() > LONGEST {
                true => "(a long path)".to_owned(),
                false => method_and_path,
            },
        }
    }

    /// The request and its pair in words, without a path that gives a secret away.
    pub(super) fn by(&self, client_id: Option<&str>, secrets: &Secrets<'_>) -> String {
        let what = match secrets.is_revealed_by(&self.method_and_path) {
            true => "(a path with a secret in it)",
            false => self.method_and_path.as_str(),
        };
        format!("{what} by {}", client_id.unwrap_or("nobody known"))
    }
}

/// More than a person reads.
const MOST_ENTRIES: usize = 200;

/// Bytes, shorter than a token.
const LONGEST: usize = 200;
