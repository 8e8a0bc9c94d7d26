//! What is in one mounted file, and what can be wrong with it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use tracing::warn;
use zeroize::Zeroizing;

use crate::environment::find_problem;
use crate::shown::shown;
use crate::{Error, ErrorKind};

/// A file's bytes.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Every user of the machine may read it.
    pub(super) exposed: bool,
}

impl Content {
    pub(super) fn read(path: &Path) -> Result<Self, Problem> {
        // Before it is opened: opening a pipe waits for whoever writes to it.
        require_file(&fs::metadata(path).map_err(unreadable)?)?;
        let file = File::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        require_file(&found)?;

        // One allocation, which never moves and is wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT));
        let length = file
            .take(LIMIT as u64)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if length >= LIMIT {
            return Err(Problem::lasting("is too long", "64 KiB is the limit"));
        }
        Ok(Self {
            bytes,
            exposed: is_exposed(&found),
        })
    }

    /// The file as one value, without one line ending at its end: editors and
    /// `echo` leave it there, and no value has one.
    pub(super) fn value(&self) -> Result<Zeroizing<String>, Problem> {
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|_| Problem::lasting("is not UTF-8", VALUE))?;
        let line = text.strip_suffix("\r\n").or(text.strip_suffix('\n'));
        let text = line.unwrap_or(text);
        match find_problem(text) {
            None => Ok(Zeroizing::new(text.to_owned())),
            // A rewrite may be under way.
            Some(_) if text.is_empty() => Err(Problem::passing("is empty", VALUE)),
            Some(_) => Err(Problem::lasting("has a control character in it", VALUE)),
        }
    }
}

/// What is wrong with a file, and what to do about it.
pub(super) struct Problem {
    what: &'static str,
    remedy: &'static str,
    transient: bool,
    source: Option<io::Error>,
}

impl Problem {
    pub(super) fn lasting(what: &'static str, remedy: &'static str) -> Self {
        Self {
            what,
            remedy,
            transient: false,
            source: None,
        }
    }

    /// What a rewrite that is under way may be the cause of.
    pub(super) fn passing(what: &'static str, remedy: &'static str) -> Self {
        Self {
            transient: true,
            ..Self::lasting(what, remedy)
        }
    }

    pub(super) fn of(self, path: &Path) -> Error {
        let name = name(path);
        let text = format!("the credentials file {name} {}: {}", self.what, self.remedy);
        let error = Error::new(ErrorKind::Credentials, text).transient(self.transient);
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// A path as messages show it: escaped, as it may have any character.
pub(super) fn name(path: &Path) -> String {
    shown(format_args!("{path:?}"))
}

pub(super) fn warn_of_exposed(path: &Path) {
    warn!(
        target: "fiskil_auth", ?path,
        "every user may read the credentials file: take that away \
         (chmod o-r, or defaultMode of a Kubernetes volume)"
    );
}

fn require_file(found: &Metadata) -> Result<(), Problem> {
    if found.is_file() {
        Ok(())
    } else {
        Err(Problem::lasting("is not a regular file", MOUNT))
    }
}

fn unreadable(error: io::Error) -> Problem {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => Problem::passing("does not exist", MOUNT),
        io::ErrorKind::PermissionDenied => {
            Problem::lasting("must not be read", "let the user of this process read it")
        }
        _ => Problem::passing("can't be read", "see the source"),
    };
    Problem {
        source: Some(error),
        ..problem
    }
}

#[cfg(unix)]
fn is_exposed(found: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &Metadata) -> bool {
    false
}

const MOUNT: &str = "mount the secret there, or correct the path";
const VALUE: &str =
    "write the value from the Fiskil Console to another file, and rename that to this one";

/// One more than a file may have: far more than a pair takes.
const LIMIT: usize = 64 * 1024 + 1;
