//! Where credentials come from, and what the errors say of bad ones.
//!
//! Guarantees 8 (recovery without a restart), as the provider is asked before every
//! exchange, and 12 (no secret in any text).
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fiskil_auth::{BoxError, Credentials, ErrorKind, FiskilAuthLayer};
use support::{Tokens, credentials};

#[tokio::test(start_paused = true)]
async fn malformed_pairs_are_errors_and_nothing_is_sent() {
    for (id, secret, problem) in [
        ("", "secret", "the client id is empty"),
        ("id", "", "the client secret is empty"),
        ("id\n", "hush-hush", "the client id has a control character"),
        (
            "id",
            "hush-hush\r\n",
            "the client secret has a control character",
        ),
        (
            "id",
            "hush\0hush",
            "the client secret has a control character",
        ),
    ] {
        let tokens = Tokens::new();
        let layer =
            FiskilAuthLayer::with_token_service(Credentials::new(id, secret), tokens.clone());
        let error = layer.tokens().token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().starts_with(problem), "{error}");
        assert!(!format!("{error:?}").contains("hush"));
        assert_eq!(tokens.exchanges(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_asked_before_every_exchange() {
    let asked = Arc::new(AtomicU32::new(0));
    let provider = {
        let asked = asked.clone();
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, BoxError>(credentials()) }
        }
    };
    let layer = FiskilAuthLayer::with_token_service(provider, Tokens::new());
    let cache = layer.tokens();
    for n in 1..=3 {
        cache.refresh().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), n);
    }
}

#[test]
fn ids_and_secrets_are_not_trimmed() {
    let credentials = Credentials::new(" id ", " secret ");
    assert_eq!(credentials.client_id(), " id ");
    assert_eq!(credentials.expose_secret(), " secret ");
}

#[test]
fn debug_shows_the_id_only() {
    let text = format!("{:?} {0:#?}", Credentials::new("the-id", "the-secret"));
    assert!(text.contains("the-id"));
    assert!(!text.contains("the-secret"));
}

const PROBE: &str = "FISKIL_AUTH_TEST_PROBE";

/// What the test below prints with these in its environment.
fn in_another_process(id: Option<&OsStr>, secret: Option<&OsStr>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture"])
        .arg("the_environment_gives_the_pair_or_names_what_is_wrong_with_it")
        .env(PROBE, "1")
        .env_remove("FISKIL_CLIENT_ID")
        .env_remove("FISKIL_CLIENT_SECRET");
    command.envs(id.map(|id| ("FISKIL_CLIENT_ID", id)));
    command.envs(secret.map(|secret| ("FISKIL_CLIENT_SECRET", secret)));
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// A process can't change its environment safely, so this test runs itself in
/// others.
#[test]
fn the_environment_gives_the_pair_or_names_what_is_wrong_with_it() {
    if std::env::var_os(PROBE).is_some() {
        match Credentials::from_env() {
            Ok(found) => println!("<{}|{}>", found.client_id(), found.expose_secret()),
            Err(error) => println!("<{error}> {error:?}"),
        }
        return;
    }
    let run = |id: Option<&str>, secret: Option<&str>| {
        let output = in_another_process(id.map(OsStr::new), secret.map(OsStr::new));
        let text = output.split_once('<').unwrap().1.split_once('>').unwrap().0;
        text.to_owned()
    };
    let hint = ": set both to the values from the Fiskil Console";
    assert_eq!(run(Some(" id"), Some("hush hush ")), " id|hush hush ");
    assert_eq!(
        run(None, None),
        format!("FISKIL_CLIENT_ID is not set and FISKIL_CLIENT_SECRET is not set{hint}")
    );
    assert_eq!(
        run(Some("id"), None),
        format!("FISKIL_CLIENT_SECRET is not set{hint}")
    );
    assert_eq!(
        run(Some(""), Some("hush")),
        format!("FISKIL_CLIENT_ID is empty{hint}")
    );
    assert_eq!(
        run(Some("id"), Some("hush\n")),
        format!("FISKIL_CLIENT_SECRET has a control character in it (a newline at its end?){hint}")
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_named_and_nothing_of_it_is_shown() {
    use std::os::unix::ffi::OsStrExt;

    let odd = OsStr::from_bytes(b"hush\xffhush");
    let id = "FISKIL_CLIENT_ID is not Unicode";
    let secret = "FISKIL_CLIENT_SECRET is not Unicode";
    for (pair, problem) in [
        ((odd, "hush".as_ref()), id.to_owned()),
        (("id".as_ref(), odd), secret.to_owned()),
        ((odd, odd), format!("{id} and {secret}")),
    ] {
        let output = in_another_process(Some(pair.0), Some(pair.1));
        assert!(
            output.contains(&format!("<{problem}: set both to ")),
            "{output}"
        );
        // With its kind and all its sources.
        assert!(output.contains("kind: Credentials"), "{output}");
        assert!(!output.contains("hush"), "{output}");
        assert!(
            !output.contains("xff") && !output.contains("xFF"),
            "{output}"
        );
    }
}
