//! Credentials in a file for each value, as Kubernetes and Docker mount them, and
//! a provider that is chosen at run time.
//!
//! Mutations caught: reading once only; no line ending taken off, or more than
//! one, or blanks; an empty file taken for a value, or for a lasting problem; a
//! pair of an old id and a new secret; the values exchanged; a value shown.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use fiskil_auth::{
    BoxError, BoxProvideCredentials, Credentials, CredentialsFiles, Error, ErrorKind,
    FiskilAuthLayer, ProvideCredentials, Token, TokenRequest,
};
use tower::service_fn;

/// A folder with the two files, gone with the test.
struct Mount(PathBuf);

impl Mount {
    fn new(name: &str) -> Self {
        let name = format!("fiskil-auth-files-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn id(&self) -> PathBuf {
        self.0.join("client_id")
    }

    fn secret(&self) -> PathBuf {
        self.0.join("client_secret")
    }

    fn write(&self, id: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) {
        fs::write(self.id(), id).unwrap();
        fs::write(self.secret(), secret).unwrap();
    }

    fn provider(&self) -> CredentialsFiles {
        CredentialsFiles::new(self.id(), self.secret())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn read(mount: &Mount) -> Result<(String, String), Error> {
    match mount.provider().credentials().await {
        Ok(pair) => Ok((pair.client_id().into(), pair.expose_secret().into())),
        Err(error) => Err(*error.downcast().unwrap()),
    }
}

#[track_caller]
fn assert_problem(error: &Error, path: &Path, problem: &str, transient: bool) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let start = format!("the credentials file {path:?} {problem}: ");
    assert!(text.starts_with(&start), "{text}");
    assert!(text.len() > start.len(), "what to do: {text}");
    assert_eq!(error.is_transient(), transient, "{text}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_value_is_the_whole_file_but_for_one_line_ending() {
    let mount = Mount::new("values");
    for (content, value) in [
        ("hush", "hush"),
        ("hush\n", "hush"),
        ("hush\r\n", "hush"),
        (" hush ß \n", " hush ß "),
        ("{\"client_secret\":1}\n", "{\"client_secret\":1}"),
    ] {
        mount.write("the-id\n", content);
        let (id, secret) = read(&mount).await.unwrap();
        assert_eq!((&*id, &*secret), ("the-id", value));
    }
}

#[tokio::test]
async fn what_is_no_value_is_an_error_that_names_the_file_and_not_the_value() {
    let mount = Mount::new("problems");
    let long = "hush".repeat(20_000);
    for (content, problem, transient) in [
        (&b""[..], "is empty", true),
        (b"\n", "is empty", true),
        (b"hush\n\n", "has a control character in it", false),
        (b"hush\nhush", "has a control character in it", false),
        (b"hush\r", "has a control character in it", false),
        (b"hush\0", "has a control character in it", false),
        (b"hush\xff", "is not UTF-8", false),
        (long.as_bytes(), "is too long", false),
    ] {
        mount.write("the-id", content);
        let error = read(&mount).await.unwrap_err();
        assert_problem(&error, &mount.secret(), problem, transient);
        mount.write(content, "hush");
        let error = read(&mount).await.unwrap_err();
        assert_problem(&error, &mount.id(), problem, transient);
    }
    fs::remove_file(mount.id()).unwrap();
    let error = read(&mount).await.unwrap_err();
    assert_problem(&error, &mount.id(), "does not exist", true);
    assert!(error.source().unwrap().is::<std::io::Error>());
    fs::create_dir(mount.id()).unwrap();
    let error = read(&mount).await.unwrap_err();
    assert_problem(&error, &mount.id(), "is not a regular file", false);
}

#[tokio::test]
async fn both_are_read_every_time() {
    let mount = Mount::new("again");
    let provider = mount.provider();
    for n in ["1", "2"] {
        mount.write(format!("id-{n}"), format!("secret-{n}"));
        let pair = provider.credentials().await.unwrap();
        assert_eq!(pair.client_id(), format!("id-{n}"));
        assert_eq!(pair.expose_secret(), format!("secret-{n}"));
    }
}

/// As Kubernetes does: a link to a folder is replaced at once.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_between_the_two_reads_never_mixes_an_old_id_with_a_new_secret() {
    use std::os::unix::fs::symlink;

    let mount = Mount::new("swap");
    let (link, next) = (mount.0.join("data"), mount.0.join("next"));
    let rotate = {
        let (root, link) = (mount.0.clone(), link.clone());
        move |n: usize| {
            let folder = root.join(n.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("client_id"), n.to_string()).unwrap();
            fs::write(folder.join("client_secret"), n.to_string()).unwrap();
            symlink(&folder, &next).unwrap();
            fs::rename(&next, &link).unwrap();
        }
    };
    rotate(0);
    let rotations = std::thread::spawn(move || (1..300).for_each(rotate));
    let provider = CredentialsFiles::new(link.join("client_id"), link.join("client_secret"));
    let mut read = 0;
    while !rotations.is_finished() || read == 0 {
        // It may give up, as a file that changes all the time is none.
        match provider.credentials().await {
            Ok(pair) => {
                assert_eq!(pair.client_id(), pair.expose_secret());
                read += 1;
            }
            Err(error) => {
                let error: Error = *error.downcast().unwrap();
                assert!(error.is_transient(), "{error}");
            }
        }
    }
    rotations.join().unwrap();
}

#[tokio::test]
async fn a_provider_is_chosen_at_run_time_and_shared_by_its_clones() {
    let mount = Mount::new("boxed");
    mount.write("from-files", "hush");
    let closure = || async { Ok::<_, BoxError>(Credentials::new("from-closure", "hush")) };
    for (provider, id) in [
        (BoxProvideCredentials::new(mount.provider()), "from-files"),
        (BoxProvideCredentials::new(closure), "from-closure"),
        (
            BoxProvideCredentials::new(Credentials::new("given", "hush")),
            "given",
        ),
    ] {
        let tokens = service_fn(move |request: TokenRequest| async move {
            assert_eq!(request.credentials.client_id(), id);
            Token::new("t1", std::time::Duration::from_secs(900))
        });
        let layer = FiskilAuthLayer::with_token_service(provider.clone(), tokens);
        layer.tokens().token().await.unwrap();
        assert_eq!(provider.credentials().await.unwrap().client_id(), id);
    }
}
