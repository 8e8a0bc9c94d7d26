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
async fn a_file_that_may_not_be_read_says_so() {
    let directory = Directory::new();
    let path = directory.write(PAIR);
    allow(&path, 0o000);
    // The superuser may read everything.
    if fs::read(&path).is_err() {
        assert_must_not_be_read(&path).await;
    }
}

/// A switch of the kernel's that is for writing: the superuser must not read it
/// either.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_not_even_the_superuser_may_read_says_so() {
    let path = Path::new("/proc/sys/vm/compact_memory");
    // Some sandboxes have no such thing.
    if path.exists() {
        assert_must_not_be_read(path).await;
    }
}

async fn assert_must_not_be_read(path: &Path) {
    let error = read(path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::PermissionDenied);
    assert_problem(error, path, "must not be read", false);
}

/// Whoever asks, the superuser included: on the way to the file, and on Linux
/// in the midst of reading it (nothing is mapped where this one begins).
#[tokio::test]
async fn other_errors_of_the_system_may_pass_and_are_kept_as_the_source() {
    let directory = Directory::new();
    let through_a_file = directory.write(PAIR).join("credentials.json");
    let endless = directory.0.join("endless");
    symlink(&endless, &endless).unwrap();
    let midst = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/mem"));
    for path in [through_a_file, endless].into_iter().chain(midst) {
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
async fn a_file_that_everybody_may_read_is_warned_of_each_time_it_becomes_so() {
    let directory = Directory::new();
    let path = directory.write(PAIR);
    let file = CredentialsFile::new(&path);
    for (mode, warnings) in [(0o640, 0), (0o644, 1), (0o644, 1), (0o600, 1), (0o604, 2)] {
        allow(&path, mode);
        // Clones share what they know.
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
