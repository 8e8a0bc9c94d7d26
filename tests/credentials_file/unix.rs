//! What only Unix has: permissions, links and pipes.

use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::*;

const PAIR: &str = r#"{"client_id":"i","client_secret":"hush-hush"}"#;

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_link_is_followed_as_kubernetes_makes_them() {
    let directory = Directory::new();
    let target = directory.write(PAIR);
    let link = directory.0.join("link");
    symlink(target, &link).unwrap();
    read(link).await.unwrap();
}

#[tokio::test]
async fn a_pipe_is_refused_before_it_is_opened() {
    let directory = Directory::new();
    let made = Command::new("mkfifo").arg(directory.path()).status();
    assert!(made.unwrap().success());
    let path = directory.path();
    assert_problem(
        read(&path).await.unwrap_err(),
        &path,
        "is not a regular file",
        false,
    );
}

#[tokio::test]
async fn an_unreadable_file_is_a_permanent_error() {
    let directory = Directory::new();
    let path = directory.write(PAIR);
    allow(&path, 0o000);
    // The superuser may read everything.
    if fs::read(&path).is_err() {
        assert_must_not_be_read(&path).await;
    }
}

/// A write-only switch of the kernel: not even the superuser may read it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_not_even_the_superuser_may_read_is_a_permanent_error() {
    let path = Path::new("/proc/sys/vm/compact_memory");
    // Some containers lack it.
    if path.exists() {
        assert_must_not_be_read(path).await;
    }
}

async fn assert_must_not_be_read(path: &Path) {
    let error = read(path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::PermissionDenied);
    assert_problem(error, path, "must not be read", false);
}

/// Errors that the superuser gets, too: on the way to the file, and on Linux also
/// while it is read, as no memory is mapped at the start of this one.
#[tokio::test]
async fn other_io_errors_are_transient_and_kept_as_the_source() {
    let directory = Directory::new();
    let through_a_file = directory.write(PAIR).join("credentials.json");
    let endless = directory.0.join("endless");
    symlink(&endless, &endless).unwrap();
    let while_reading = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/mem"));
    for path in [through_a_file, endless].into_iter().chain(while_reading) {
        let kind = fs::read(&path).unwrap_err().kind();
        let error = read(&path).await.unwrap_err();
        assert_eq!(io_kind(&error), kind, "{error:?}");
        assert_problem(error, &path, "can't be read", true);
    }
}

fn io_kind(error: &Error) -> io::ErrorKind {
    let source = error.source().unwrap();
    source.downcast_ref::<io::Error>().unwrap().kind()
}

#[tokio::test]
async fn a_warning_comes_each_time_the_file_becomes_readable_for_everybody() {
    let directory = Directory::new();
    let path = directory.write(PAIR);
    let file = CredentialsFile::new(&path);
    for (mode, warnings) in [(0o640, 0), (0o644, 1), (0o644, 1), (0o600, 1), (0o604, 2)] {
        allow(&path, mode);
        // Clones share whether they have warned.
        file.clone().credentials().await.unwrap();
        let log = logged();
        let of_this: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(&*directory.path().to_string_lossy()))
            .collect();
        assert_eq!(of_this.len(), warnings, "{log}");
        assert!(
            of_this
                .iter()
                .all(|line| line.contains(" WARN fiskil_auth: "))
        );
        assert!(!log.contains("hush"));
    }
}
