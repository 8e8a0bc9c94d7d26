//! The pair in one mounted JSON file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::{Content, Problem, name};
use super::mount::{Found, Mount};
use super::{Credentials, Place, ProvideCredentials};
use crate::environment::find_problem;
use crate::json::{self, Member};
use crate::{BoxError, Error};

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
/// It may have 64 KiB. A file for each value: [`CredentialsFiles`](crate::CredentialsFiles).
///
/// A file that every user of the machine may read is used nevertheless. On Unix
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
/// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials), which names the file
/// and shows nothing of what is in it. It is permanent where somebody has to mend
/// it: permission is denied, the file is too long, is a folder or a device, or a member
/// is missing, twice or of no use. It is transient where it may pass: a rewrite is
/// under way (the file is missing, empty, breaks off or is no JSON), or reading
/// fails otherwise.
#[derive(Clone, Debug)]
pub struct CredentialsFile {
    path: Arc<Path>,
    mount: Mount,
}

impl CredentialsFile {
    /// The file at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into().into(),
            mount: Mount::default(),
        }
    }
}

impl ProvideCredentials for CredentialsFile {
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        let path = self.path.clone();
        self.mount.read(&self.path, move || read(&path)).await
    }
}

fn read(path: &Path) -> Result<Found, Error> {
    let content = Content::read(path).map_err(|problem| problem.of(path))?;
    let pair = parse(&content, path).map_err(|problem| problem.of(path))?;
    Ok(Found {
        pair,
        exposed: content.exposed,
    })
}

fn parse(content: &Content, path: &Path) -> Result<Credentials, Problem> {
    let names = ["client_id", "client_secret"];
    let [id, secret] = json::members(&content.bytes, names).map_err(malformed)?;
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
    let place = Place::Named(format!("the file {}", name(path)));
    Ok(Credentials::of(id, secret.to_owned().into(), place))
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

const WRITE: &str = "write {\"client_id\": \"…\", \"client_secret\": \"…\"} to another file, \
     and rename that to this one";
