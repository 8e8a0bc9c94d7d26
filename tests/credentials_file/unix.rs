//! What only Unix has: permissions, links and pipes.

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
        assert_problem(
            read(&path).await.unwrap_err(),
            &path,
            "must not be read",
            false,
        );
    }
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
