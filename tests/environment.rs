//! The whole set-up from the environment, and what is wrong with it.
//!
//! Mutations caught: the base URL left out of account; an empty one taken for
//! none; a secret file that is preferred to, or hidden by, the other variable; its
//! line ending kept; a value shown.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use fiskil_auth::{Credentials, FiskilAuthLayer};

const PROBE: &str = "FISKIL_AUTH_TEST_PROBE";
const NAMES: [&str; 4] = [
    "FISKIL_CLIENT_ID",
    "FISKIL_CLIENT_SECRET",
    "FISKIL_CLIENT_SECRET_FILE",
    "FISKIL_BASE_URL",
];

/// What the test below finds where these are the environment. It can't be changed
/// safely within a process.
fn found(values: [Option<&str>; 4]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture"])
        .arg("the_set_up_is_read_or_what_is_wrong_with_it_is_named")
        .env(PROBE, "1");
    for (name, value) in NAMES.iter().zip(values) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let text = output.split_once("<<").unwrap().1.split_once(">>").unwrap();
    text.0.to_owned()
}

fn probe() {
    let pair = Credentials::from_env();
    let layer = FiskilAuthLayer::from_env();
    match (pair, layer) {
        (Ok(pair), Ok(layer)) => {
            // The endpoint shows in the error: nobody is there.
            let (id, secret) = (pair.client_id(), pair.expose_secret());
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let error = match std::env::var("FISKIL_BASE_URL") {
                Ok(_) => runtime
                    .block_on(layer.tokens().token())
                    .unwrap_err()
                    .to_string(),
                Err(_) => String::new(),
            };
            println!("<<{id}|{secret}|{error}>>");
        }
        (_, Err(error)) => println!("<<{:?}: {error} {error:?}>>", error.kind()),
        (Err(error), Ok(_)) => println!("<<only the layer: {error}>>"),
    }
}

#[test]
fn the_set_up_is_read_or_what_is_wrong_with_it_is_named() {
    if std::env::var_os(PROBE).is_some() {
        return probe();
    }
    let path = std::env::temp_dir().join(format!("fiskil-auth-env-{}", std::process::id()));
    let file = path.to_str().unwrap();
    std::fs::write(&path, "from-file\n").unwrap();
    let id = Some("the-id");
    assert_eq!(found([id, Some("hush"), None, None]), "the-id|hush|");
    assert_eq!(found([id, None, Some(file), None]), "the-id|from-file|");
    let there = found([id, Some("hush"), None, Some("http://127.0.0.1:1/fiskil")]);
    let start = "the-id|hush|http://127.0.0.1:1/fiskil/v1/token can't be reached";
    assert!(there.starts_with(start), "{there}");

    let endpoint = "https://api.fiskil.com/v1/token";
    for (values, kind, parts) in [
        (
            [None, None, None, None],
            "Credentials",
            &["FISKIL_CLIENT_ID is not set and FISKIL_CLIENT_SECRET is not set"][..],
        ),
        (
            [id, Some("hush"), Some(file), None],
            "Credentials",
            &["both FISKIL_CLIENT_SECRET and FISKIL_CLIENT_SECRET_FILE are set"],
        ),
        (
            [id, None, Some("/no/such/file"), None],
            "Credentials",
            &[
                "FISKIL_CLIENT_SECRET_FILE",
                "\"/no/such/file\" does not exist",
            ],
        ),
        (
            [id, None, Some(""), None],
            "Credentials",
            &["FISKIL_CLIENT_SECRET_FILE is empty"],
        ),
        (
            [id, Some("hush"), None, Some("")],
            "Configuration",
            &["FISKIL_BASE_URL is empty"],
        ),
        (
            [id, Some("hush"), None, Some("http://api.fiskil.com")],
            "Configuration",
            &["FISKIL_BASE_URL", "must be https://"],
        ),
        (
            [id, Some("hush"), None, Some(endpoint)],
            "Configuration",
            &["FISKIL_BASE_URL", "must not end in /v1/token"],
        ),
    ] {
        let text = found(values);
        assert!(text.starts_with(&format!("{kind}: ")), "{values:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{values:?}: {text}");
        }
        assert!(
            !text.contains("hush") && !text.contains("from-file"),
            "{text}"
        );
    }
    std::fs::write(&path, "\n").unwrap();
    let empty = found([id, None, Some(file), None]);
    assert!(empty.contains("is empty"), "{empty}");
    std::fs::remove_file(&path).unwrap();
}
