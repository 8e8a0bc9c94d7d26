//! Errors of foreign code: what becomes of their verdict, and of what they say.

use std::borrow::Cow;
use std::fmt;

use super::{BoxError, Error, ErrorKind};
use crate::panics;
use crate::redact::Secrets;

/// An error of foreign code, kept as the source of one of ours. Any request may be
/// the last to drop it, and must not get its panic.
pub(super) struct Source(Option<BoxError>);

impl Source {
    pub(super) fn new(source: BoxError) -> Self {
        Self(Some(source))
    }

    pub(super) fn get(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|source| source as _)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(source) => source.fmt(f),
            None => Ok(()),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let source = self.0.take();
        panics::catch(|| drop(source));
    }
}

impl Error {
    /// What a token service or a credentials provider failed with: the verdict
    /// of an [`Error`] in the chain stands, anything else is transient. What gives
    /// away one of the `secrets` is withheld.
    pub(crate) fn foreign(
        kind: ErrorKind,
        text: impl Into<Cow<'static, str>>,
        source: BoxError,
        secrets: &Secrets<'_>,
    ) -> Self {
        let error = match source.downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => match find::<Self>(source.as_ref()) {
                Some(own) => own.clone(),
                None => Self::new(kind, text).transient(true),
            }
            .with_source(source),
        };
        error.withhold(secrets)
    }

    /// The texts of its sources in one line, each once: an `io::Error` says the
    /// same as what it wraps, and many errors repeat their source's text.
    pub(crate) fn cause(&self) -> Option<String> {
        let mut said = text_of(self);
        let own = said.len();
        for text in causes(self).skip(1).map(text_of) {
            if !said.contains(&text) {
                said.push_str(": ");
                said.push_str(&text);
            }
        }
        said.get(own..)?.strip_prefix(": ").map(str::to_owned)
    }

    /// Drops the parts that give away a secret. The text is this crate's own.
    fn withhold(self, secrets: &Secrets<'_>) -> Self {
        let reveals = |text: &str| secrets.is_revealed_by(text);
        let is_revealing = |part: &Option<Box<str>>| part.as_deref().is_some_and(reveals);
        let source = self.inner.source.as_deref().and_then(Source::get);
        let source = source.is_some_and(|source| is_endless(source) || reveals(&full_text(source)));
        let id = is_revealing(&self.inner.id);
        let name = is_revealing(&self.inner.name);
        if !(source || id || name) {
            return self;
        }
        self.map(|inner| {
            inner.source.take_if(|_| source);
            inner.id.take_if(|_| id);
            inner.name.take_if(|_| name);
        })
    }
}

/// The `T` in an error's chain, itself included.
pub(crate) fn find<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error, its source, and so on. An `io::Error` that wraps another gives its
/// source, not that error itself, so such a one is looked into.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let io = error.downcast_ref::<std::io::Error>();
        match io.and_then(std::io::Error::get_ref) {
            Some(within) => Some(within as _),
            None => error.source(),
        }
    })
    .take(MAX_CAUSES)
}

/// Not `to_string`, which panics where a foreign `fmt` fails.
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let _ = write!(text, "{error}");
    text
}

/// Whether there is more than would be looked at.
fn is_endless(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).count() >= MAX_CAUSES
}

/// Everything that an error and its sources would print.
fn full_text(error: &(dyn std::error::Error + 'static)) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for error in causes(error) {
        // Writing to a string fails only where a foreign `fmt` does. The other of
        // the two may still work.
        let _ = writeln!(text, "{error}");
        let _ = writeln!(text, "{error:?}");
    }
    text
}

/// A chain may be a loop.
const MAX_CAUSES: usize = 32;
