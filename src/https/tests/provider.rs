//! Odd TLS providers that a program may install for its process.
//!
//! Mutations caught: the installed one not asked; asked for each exchange; an
//! error of it that panics.

use super::*;

/// What the test below does in a process of its own, as a provider can be
/// installed once only.
const CASE: &str = "FISKIL_AUTH_TEST_PROVIDER";

fn installed(keep: impl Fn(&rustls::SupportedCipherSuite) -> bool) {
    let mut own = crate::tls::provider().unwrap().as_ref().clone();
    own.cipher_suites.retain(keep);
    own.install_default().unwrap();
}

async fn outcome(service: &HttpsTokenService) -> String {
    match exchange(service.clone()).await {
        Ok(_) => "token".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

async fn run(case: &str) -> Vec<String> {
    let uri: Uri = env::var(URI_VARIABLE).unwrap().parse().unwrap();
    let service = HttpsTokenService::at(uri.clone());
    let another = HttpsTokenService::at(uri);
    match case {
        "no suites" => {
            installed(|_| false);
            vec![outcome(&service).await, outcome(&service).await]
        }
        "tls 1.2 only" => {
            installed(|suite| suite.tls13().is_none());
            vec![outcome(&service).await]
        }
        "installed later" => {
            let before = outcome(&service).await;
            installed(|_| false);
            vec![before, outcome(&service).await, outcome(&another).await]
        }
        other => panic!("{other}"),
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_provider_of_no_use_is_the_exchanges_error_and_a_later_one_changes_nothing() {
    if let Ok(case) = env::var(CASE) {
        println!("outcome: {}.", run(&case).await.join(", "));
        return;
    }
    for (case, expected) in [
        ("no suites", "Configuration, Configuration"),
        ("tls 1.2 only", "token"),
        ("installed later", "token, token, Configuration"),
    ] {
        let server = Server::start_tls(&[TOKEN, TOKEN]).await;
        let store = env::temp_dir().join(format!("fiskil-auth-{}.pem", server.port));
        std::fs::write(&store, &server.certificate).unwrap();
        let mut child = Command::new(env::current_exe().unwrap());
        child
            .arg("a_provider_of_no_use_is_the_exchanges_error_and_a_later_one_changes_nothing")
            .arg("--nocapture")
            .env(CASE, case)
            .env(URI_VARIABLE, server.uri("https").to_string())
            .env("SSL_CERT_FILE", &store)
            .env_remove("SSL_CERT_DIR");
        let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await;
        std::fs::remove_file(&store).unwrap();
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(
            output.contains(&format!("outcome: {expected}.")),
            "{case}: {output}"
        );
    }
}
