//! The pair in two mounted files, one for each value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::{Content, name};
use super::mount::{Found, Mount};
use super::{Credentials, Place, ProvideCredentials};
use crate::{BoxError, Error, ErrorKind};

/// Provides the pair in two files, one for the client id and one for the client
/// secret, as Kubernetes and Docker mount secrets.
///
/// Both are read before every exchange, so a rotated pair needs no restart. A
/// file holds its value and nothing else; one line ending at its end (`\n` or
/// `\r\n`) is no part of it. It may have 64 KiB.
///
/// The client id is read again after the secret: where it has changed in between,
/// as when Kubernetes updates the volume, both are read once more.
///
/// A secret that every user of the machine may read is used nevertheless. On Unix
/// a warning tells of it, once for each time that it becomes so.
///
/// ```
/// use fiskil_auth::{CredentialsFiles, FiskilAuthLayer};
///
/// # #[cfg(feature = "https")]
/// let layer = FiskilAuthLayer::new(CredentialsFiles::new(
///     "/run/secrets/fiskil/client_id",
///     "/run/secrets/fiskil/client_secret",
/// ));
/// ```
///
/// # Errors
///
/// [`ErrorKind::Credentials`], which names the file and shows nothing of what is
/// in it. It is permanent where somebody has to mend it: permission is denied, a file
/// is too long, is a folder or a device, is not UTF-8, or has a control character in it
/// besides the line ending at its end. It is transient where it may pass: a file is
/// missing or empty, reading fails otherwise, or the client id changes again and again.
#[derive(Clone, Debug)]
pub struct CredentialsFiles {
    client_id: Arc<Path>,
    client_secret: Arc<Path>,
    mount: Mount,
}

impl CredentialsFiles {
    /// The files at these paths, which need not be there yet.
    pub fn new(client_id: impl Into<PathBuf>, client_secret: impl Into<PathBuf>) -> Self {
        Self {
            client_id: client_id.into().into(),
            client_secret: client_secret.into().into(),
            mount: Mount::default(),
        }
    }
}

impl ProvideCredentials for CredentialsFiles {
    async fn credentials(&self) -> Result<Credentials, BoxError> {
        let (id, secret) = (self.client_id.clone(), self.client_secret.clone());
        let read = move || read(&id, &secret);
        self.mount.read(&self.client_secret, read).await
    }
}

fn read(id_path: &Path, secret_path: &Path) -> Result<Found, Error> {
    let read_id = || {
        let id = Content::read(id_path).and_then(|content| content.value());
        id.map_err(|problem| problem.of(id_path))
    };
    let mut id = read_id()?;
    for _ in 0..READS {
        let content = Content::read(secret_path).map_err(|problem| problem.of(secret_path))?;
        let secret = content.value().map_err(|problem| problem.of(secret_path))?;
        let again = read_id()?;
        if again == id {
            let names = [id_path, secret_path].map(name).join(" and ");
            return Ok(Found {
                pair: Credentials::of(&id, secret, Place::Named(format!("the files {names}"))),
                exposed: content.exposed,
            });
        }
        id = again;
    }
    let text = format!(
        "the credentials file {} changed with every look at it",
        name(id_path)
    );
    Err(Error::new(ErrorKind::Credentials, text).transient(true))
}

/// A rotation takes two. There is a limit, as somebody may write all the time.
const READS: u32 = 4;
