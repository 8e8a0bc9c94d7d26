//! Where the secret must not go.
//!
//! Mutations caught: a verifier that ignores the name, the end or
//! the beginning of a certificate; one of these taken for a transient failure;
//! redirects that are followed, or taken for a transient failure.

use super::*;
use crate::ErrorKind;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_certificate_for_another_host_or_another_time_is_refused_before_the_secret_is_sent() {
    let elsewhere = CertificateParams::new(["api.fiskil.com".to_owned()]).unwrap();
    let [mut expired, mut early] = [certificate(), certificate()];
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    early.not_before = rcgen::date_time_ymd(4000, 1, 1);
    for (certificate, problem) in [
        (elsewhere, "NotValidForName"),
        (expired, "Expired"),
        (early, "NotValidYet"),
    ] {
        // The second answer is for whoever tries again.
        let answers = &[TOKEN, TOKEN];
        let server = Server::start_tls_with(answers, certificate, rustls::ALL_VERSIONS).await;
        // It is trusted, but for this.
        let outcome = exchange_with_trust_store(server.uri("https"), &server.certificate).await;
        assert!(
            outcome.contains("outcome: Certificate, transient false"),
            "{problem}: {outcome}"
        );
        assert!(outcome.contains(problem), "{problem}: {outcome}");
        assert_eq!((server.connections(), server.secrets()), (1, 0));
    }
}

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_leads_and_however_it_is_meant() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start(&[TOKEN]).await;
        for location in [
            "/v1/elsewhere".to_owned(),
            "https://api.fiskil.com/v1/token".to_owned(),
            elsewhere.uri("http").to_string(),
            elsewhere.uri("https").to_string(),
        ] {
            let redirect = redirect(status, &location);
            // The second answer is for whoever follows.
            let answers = Box::leak(Box::new([redirect, TOKEN]));
            let server = Server::start(answers).await;
            let service = HttpsTokenService::at(server.uri("http"));
            let error = exchange(service).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(!format!("{error:?}").contains(&location), "{error:?}");
            assert_eq!(server.connections(), 1, "{status} {location}");
        }
        assert_eq!(elsewhere.connections(), 0, "{status}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_redirect_is_followed_from_https_to_http_or_to_another_origin() {
    let plain = Server::start(&[TOKEN]).await;
    let other = Server::start_tls(&[TOKEN]).await;
    for status in [301, 302, 303, 307, 308] {
        for location in [plain.uri("http"), other.uri("https")] {
            let location = location.to_string();
            // The second answer is for whoever tries again.
            let answers = Box::leak(Box::new([redirect(status, &location), TOKEN]));
            let server = Server::start_tls(answers).await;
            // Whoever follows has reason to trust the other one, too.
            let store = [&*server.certificate, &*other.certificate].concat();
            let outcome = exchange_with_trust_store(server.uri("https"), &store).await;
            assert!(
                outcome.contains("outcome: Refused, transient false"),
                "{status} {location}: {outcome}"
            );
            assert!(outcome.contains(&format!("status: Some({status})")));
            assert!(!outcome.contains(&location), "{outcome}");
            assert_eq!(server.connections(), 1, "{status} {location}");
        }
    }
    assert_eq!((plain.connections(), other.connections()), (0, 0));
}

#[test]
fn no_default_provider_of_the_process_is_set() {
    // Where the platform has no trust store it fails, but not for that.
    let _ = crate::tls::client_config().unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

fn redirect(status: u16, location: &str) -> &'static str {
    let text =
        format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    Box::leak(text.into_boxed_str())
}
