//! Reading mounted files before every exchange, however slow they are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::Credentials;
use super::content::warn_of_exposed;
use crate::{BoxError, Error};

/// What the clones of a provider share.
#[derive(Clone, Debug, Default)]
pub(super) struct Mount {
    /// Every user could read the secret when it was read last.
    exposed: Arc<AtomicBool>,
    /// Held while files are read: where that hangs, one thread hangs and no more.
    reading: Arc<Mutex<()>>,
}

/// What was found in the files.
pub(super) struct Found {
    pub(super) pair: Credentials,
    /// Every user of the machine may read the secret.
    pub(super) exposed: bool,
}

impl Mount {
    /// The pair that `read` finds. `secret` is the file that has the secret.
    pub(super) async fn read(
        &self,
        secret: &Path,
        read: impl FnOnce() -> Result<Found, Error> + Send + 'static,
    ) -> Result<Credentials, BoxError> {
        // A mounted volume can be slow or hang, and must not take a thread of
        // the runtime along. Where there is none, nothing is held up.
        let found = match Handle::try_current() {
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
        // Not in the thread that reads: a subscriber may belong to this one.
        let before = self.exposed.swap(found.exposed, Ordering::Relaxed);
        if found.exposed && !before {
            warn_of_exposed(secret);
        }
        Ok(found.pair)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::ErrorKind;

    /// Mutation caught: a read that does not wait for the one before.
    #[tokio::test(start_paused = true)]
    async fn while_one_read_hangs_another_takes_no_thread() {
        let mount = Mount::default();
        let read = || {
            mount.read(Path::new("/"), || {
                Err(Error::new(ErrorKind::Credentials, ""))
            })
        };
        let hanging = mount.reading.clone().lock_owned().await;
        assert!(
            tokio::time::timeout(Duration::from_secs(10), read())
                .await
                .is_err()
        );
        drop(hanging);
        assert!(read().await.is_err());
    }
}
