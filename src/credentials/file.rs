//! A credentials provider for mounted secrets: a JSON file that is read before
//! every exchange.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tracing::warn;
use zeroize::Zeroizing;

use super::{Credentials, ProvideCredentials, find_problem};
use crate::json::{self, Member};
use crate::{BoxError, Error, ErrorKind};

/// Provides the pair in a JSON file, as a secret manager mounts it: a Vault
/// agent's template, a Kubernetes secret.
///
/// ```json
/// {"client_id": "…", "client_secret": "…"}
/// ```
///
/// The file is read before every exchange, so a rotated pair needs no restart:
/// put another file in its place. Other members are ignored, and nothing is
/// trimmed: a newline within the quotes is a part of the value, and an error.
/// It may have 64 KiB.
///
/// A file that every user of the machine may read is used all the same. On Unix
/// a warning tells of it, once for each time that it becomes so.
///
/// ```
/// use fiskil_auth::{CredentialsFile, FiskilAuthLayer};
///
/// # #[cfg(feature = "https")]
/// let layer = FiskilAuthLayer::new(CredentialsFile::new("/vault/secrets/fiskil.json"));
/// ```
///
/// # Errors
///
/// [`ErrorKind::Credentials`], which names the file and shows nothing of what
/// is in it. It is permanent where somebody has to mend it: the file must not be
/// read, is too long or no file at all, or a member is missing, twice or of no
/// use. It is transient where it may pass: a rewrite is under way (the file is
/// missing, empty, breaks off or is no JSON), or reading fails otherwise.
#[derive(Clone, Debug)]
pub struct CredentialsFile {
    path: Arc<Path>,
    /// Every user could read it when it was read last.
    exposed: Arc<AtomicBool>,
    /// Held while it is read: where that hangs, one thread hangs and no more.
    reading: Arc<Mutex<()>>,
}

impl CredentialsFile {
    /// The file at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into().into(),
            exposed: Arc::default(),
            reading: Arc::default(),
        }
    }

    /// Not in the thread that reads: a subscriber may belong to this one.
    fn warn_if_exposed(&self, exposed: bool) {
        if exposed && !self.exposed.load(Ordering::Relaxed) {
            warn!(
                target: "fiskil_auth", path = ?self.path,
                "every user may read the credentials file: take that away \
                 (chmod o-r, or defaultMode of a Kubernetes volume)"
            );
        }
        self.exposed.store(exposed, Ordering::Relaxed);
    }
}

impl ProvideCredentials for CredentialsFile {
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        let path = self.path.clone();
        let read = move || read(&path).map_err(|problem| problem.of(&path));
        // A mounted volume can be slow or hang, and must not take a thread of
        // the runtime along. Where there is none, nothing is held up.
        let (pair, exposed) = match Handle::try_current() {
            Ok(runtime) => {
                let reading = self.reading.clone().lock_owned().await;
                let read = move || {
                    let _reading = reading;
                    read()
                };
                runtime.spawn_blocking(read).await??
            }
            Err(_) => read()?,
        };
        self.warn_if_exposed(exposed);
        Ok(pair)
    }
}

/// What is wrong with the file, and what to do about it.
struct Problem {
    what: &'static str,
    remedy: &'static str,
    transient: bool,
    source: Option<io::Error>,
}

impl Problem {
    fn lasting(what: &'static str, remedy: &'static str) -> Self {
        Self {
            what,
            remedy,
            transient: false,
            source: None,
        }
    }

    /// What a rewrite that is under way may be the cause of.
    fn passing(what: &'static str, remedy: &'static str) -> Self {
        Self {
            transient: true,
            ..Self::lasting(what, remedy)
        }
    }

    fn of(self, path: &Path) -> Error {
        // Escaped, as a path may have any character, and not endless either.
        let mut name = format!("{path:?}");
        if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
            name.truncate(end);
            name.push('…');
        }
        let text = format!("the credentials file {name} {}: {}", self.what, self.remedy);
        let error = Error::new(ErrorKind::Credentials, text).transient(self.transient);
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// The pair, and whether every user may read it.
fn read(path: &Path) -> Result<(Credentials, bool), Problem> {
    // Before it is opened: opening a pipe waits for whoever writes to it.
    require_file(&fs::metadata(path).map_err(unreadable)?)?;
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    require_file(&found)?;

    // One allocation, which never moves and is wiped.
    let mut content = Zeroizing::new(Vec::with_capacity(LIMIT));
    let length = file
        .take(LIMIT as u64)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    if length >= LIMIT {
        return Err(Problem::lasting("is too long", "64 KiB is the limit"));
    }
    Ok((parse(&content)?, is_exposed(&found)))
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

fn parse(content: &[u8]) -> Result<Credentials, Problem> {
    let [id, secret] = json::members(content, ["client_id", "client_secret"]).map_err(malformed)?;
    let id = text(&id, "has no client_id that is a string")?;
    let secret = text(&secret, "has no client_secret that is a string")?;
    if find_problem(id).is_some() {
        return Err(unusable(
            "has a client_id that is empty or has a control character",
        ));
    }
    if find_problem(secret).is_some() {
        return Err(unusable(
            "has a client_secret that is empty or has a control character",
        ));
    }
    Ok(Credentials::new(id, secret))
}

/// What a rewrite under way looks like may pass.
fn malformed(problem: json::Problem) -> Problem {
    match problem {
        json::Problem::Empty => Problem::passing("is empty", WRITE),
        json::Problem::NotAnObject => Problem::passing("is not a JSON object", WRITE),
        json::Problem::BreaksOff => Problem::passing("breaks off", WRITE),
        json::Problem::MemberTwice => Problem::lasting("has a member twice", WRITE),
        json::Problem::Invalid => Problem::passing("is not valid JSON", WRITE),
    }
}

fn text<'a>(member: &'a Option<Member>, problem: &'static str) -> Result<&'a str, Problem> {
    let text = member.as_ref().and_then(|member| member.value().as_str());
    text.ok_or(Problem::lasting(problem, WRITE))
}

fn unusable(problem: &'static str) -> Problem {
    Problem::lasting(
        problem,
        "write the value from the Fiskil Console, with no newline",
    )
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
const WRITE: &str = "write {\"client_id\": \"…\", \"client_secret\": \"…\"} to another file, \
     and rename that to this one";

/// One more than a file may have: far more than a pair takes.
const LIMIT: usize = 64 * 1024 + 1;

/// Characters of a path in an error.
const LONGEST_NAME: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// Break tried: a read that does not wait for the one before.
    #[tokio::test(start_paused = true)]
    async fn while_one_read_hangs_another_takes_no_thread() {
        let file = CredentialsFile::new("/nowhere/fiskil.json");
        let hanging = file.reading.clone().lock_owned().await;
        let next = tokio::time::timeout(std::time::Duration::from_secs(10), file.credentials());
        assert!(next.await.is_err());
        drop(hanging);
        assert!(file.credentials().await.is_err());
    }
}
