//! Credentials in a mounted file: what is read, and what is said of bad ones.
//!
//! Guarantees 8 (recovery without a restart), 9 (every content has an outcome) and
//! 12 (no secret in any text).
//!
//! Mutations caught: reading once only; trimming; any two verdicts exchanged; no
//! limit, or one that is off by one; opening before looking; a path left out or as
//! long as it comes; a parser's error kept as the source; a warning each time, or
//! never again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

#[cfg(unix)]
mod unix;

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use fiskil_auth::{CredentialsFile, Error, ErrorKind, ProvideCredentials};

/// A directory that is removed with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        // Before anything is read, as an event before this might be lost.
        LOG.get_or_init(|| {
            let subscriber = tracing_subscriber::fmt().with_writer(|| Log);
            tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
            Mutex::default()
        });
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fiskil-auth-{}-{n}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("credentials.json")
    }

    fn write(&self, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(), content).unwrap();
        self.path()
    }
}

static LOG: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();

/// Everything that was logged by this process.
struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.get().unwrap().lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
fn logged() -> String {
    String::from_utf8(LOG.get().unwrap().lock().unwrap().clone()).unwrap()
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn read(path: impl AsRef<Path>) -> Result<(String, String), Error> {
    let file = CredentialsFile::new(path.as_ref());
    match file.credentials().await {
        Ok(pair) => Ok((pair.client_id().to_owned(), pair.expose_secret().to_owned())),
        Err(error) => Err(*error.downcast().unwrap()),
    }
}

#[tokio::test]
async fn the_pair_is_taken_as_it_stands_and_other_members_are_ignored() {
    let directory = Directory::new();
    for (content, id, secret) in [
        (r#"{"client_id":"i","client_secret":"s"}"#, "i", "s"),
        (
            " \n{\"client_secret\":\"s\",\n\"client_id\":\"i\"}\n\n",
            "i",
            "s",
        ),
        (
            r#"{"client_id":" i ","client_secret":" s\u0022\\ß ","ttl":[1e400,{}]}"#,
            " i ",
            " s\"\\ß ",
        ),
    ] {
        let (found_id, found_secret) = read(directory.write(content)).await.unwrap();
        assert_eq!((found_id.as_str(), found_secret.as_str()), (id, secret));
    }
}

#[tokio::test]
async fn the_file_is_read_every_time() {
    let directory = Directory::new();
    let file = CredentialsFile::new(directory.path());
    for n in ["1", "2"] {
        directory.write(format!(r#"{{"client_id":"{n}","client_secret":"s"}}"#));
        assert_eq!(file.credentials().await.unwrap().client_id(), n);
    }
    fs::remove_file(directory.path()).unwrap();
    file.credentials().await.unwrap_err();
}

#[test]
fn the_file_is_read_without_a_runtime_too() {
    let directory = Directory::new();
    let path = directory.write(r#"{"client_id":"i","client_secret":"s"}"#);
    let mut read = tokio_test::task::spawn(read(path));
    assert!(read.poll().is_ready());
}

#[tokio::test]
async fn only_what_an_unfinished_rewrite_may_cause_is_transient() {
    let directory = Directory::new();
    let long = format!(
        r#"{{"client_id":"i","client_secret":"{}"}}"#,
        "s".repeat(70_000)
    );
    for (content, problem, transient) in [
        ("", "is empty", true),
        (" \n\t", "is empty", true),
        (
            r#"{"client_id":"hush-hush","client_secr"#,
            "breaks off",
            true,
        ),
        ("{", "breaks off", true),
        (
            r#"{"client_id":"hush-hush"}hush-hush"}"#,
            "is not valid JSON",
            true,
        ),
        (r#"{"client_id":hush-hush}"#, "is not valid JSON", true),
        ("\0\0\0\0", "is not a JSON object", true),
        ("hush-hush", "is not a JSON object", true),
        (r#"["hush-hush","hush-hush"]"#, "is not a JSON object", true),
        ("{}", "no client_id", false),
        (r#"{"client_id":"hush-hush"}"#, "no client_secret", false),
        (r#"{"client_secret":"hush-hush"}"#, "no client_id", false),
        (
            r#"{"client_id":1,"client_secret":"hush-hush"}"#,
            "no client_id",
            false,
        ),
        (
            r#"{"client_id":"i","client_secret":["hush-hush"]}"#,
            "no client_secret",
            false,
        ),
        (
            r#"{"client_id":"i","client_secret":null}"#,
            "no client_secret",
            false,
        ),
        (
            r#"{"client_id":"i","client_secret":"a","client_secret":"hush-hush"}"#,
            "twice",
            false,
        ),
        (
            r#"{"client_id":"","client_secret":"hush-hush"}"#,
            "client_id that is empty",
            false,
        ),
        (
            r#"{"client_id":"i","client_secret":""}"#,
            "client_secret that is empty",
            false,
        ),
        (
            r#"{"client_id":"i","client_secret":"hush-hush\n"}"#,
            "client_secret that is",
            false,
        ),
        (
            r#"{"client_id":"hush-hush\n","client_secret":"s"}"#,
            "client_id that is",
            false,
        ),
        (&long, "is too long", false),
    ] {
        let path = directory.write(content);
        assert_problem(read(&path).await.unwrap_err(), &path, problem, transient);
    }
    let path = directory.write(b"{\"client_id\":\"i\",\"client_secret\":\"hush-hush\xff\"}");
    assert_problem(
        read(&path).await.unwrap_err(),
        &path,
        "is not valid JSON",
        true,
    );
}

#[track_caller]
fn assert_problem(error: Error, path: &Path, problem: &str, transient: bool) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(
        text.starts_with(&format!("the credentials file {path:?} ")),
        "{text}"
    );
    assert!(text.contains(problem), "{text}: {problem}");
    // What to do follows what is wrong.
    assert!(text.split_once(": ").unwrap().1.len() > 10, "{text}");
    assert_eq!(error.is_transient(), transient, "{text}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn the_limit_is_64_kib() {
    let directory = Directory::new();
    let content = r#"{"client_id":"i","client_secret":"s"}"#;
    for (length, fits) in [(65_536, true), (65_537, false)] {
        let path = directory.write(content.to_owned() + &" ".repeat(length - content.len()));
        assert_eq!(read(path).await.is_ok(), fits);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_transient_and_keeps_its_source() {
    let directory = Directory::new();
    let path = directory.path();
    let error = read(&path).await.unwrap_err();
    assert!(error.source().unwrap().is::<std::io::Error>());
    assert_problem(error, &path, "does not exist", true);
}

#[tokio::test]
async fn a_directory_is_no_regular_file() {
    let directory = Directory::new();
    let error = read(&directory.0).await.unwrap_err();
    assert_problem(error, &directory.0, "is not a regular file", false);
}

#[tokio::test]
async fn a_very_long_path_does_not_make_a_very_long_error() {
    let path = PathBuf::from("/\u{7}\n".repeat(5000));
    let text = read(path).await.unwrap_err().to_string();
    assert!(text.len() < 4096 && !text.contains('\n'), "{text}");
}

#[test]
fn debug_shows_the_path() {
    let text = format!("{:?}", CredentialsFile::new("/a/path"));
    assert!(text.contains("/a/path"), "{text}");
}
