//! Where the secret must not go, and what TLS is made of.

use super::*;

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_leads_and_however_it_is_meant() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start(&[TOKEN]).await;
        for location in [
            "/v1/token".to_owned(),
            "https://api.fiskil.com/v1/token".to_owned(),
            elsewhere.uri("http").to_string(),
            elsewhere.uri("https").to_string(),
        ] {
            let redirect = redirect(status, &location);
            // The second answer is for whoever follows.
            let answers = Box::leak(Box::new([redirect, TOKEN]));
            let server = Server::start(answers).await;
            let service = HttpsTokenService::new(server.uri("http"));
            let error = exchange(service).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(!format!("{error:?}").contains(&location), "{error:?}");
            assert_eq!(server.connections(), 1, "{status} {location}");
        }
        assert_eq!(elsewhere.connections(), 0, "{status}");
    }
}

/// With both providers compiled in there is no default that rustls could choose.
#[test]
fn no_default_provider_of_the_process_is_asked_for_or_set() {
    // Where the platform has no trust store it fails, but not for that.
    let _ = client();
    assert!(CryptoProvider::get_default().is_none());
}

fn redirect(status: u16, location: &str) -> &'static str {
    let text =
        format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    Box::leak(text.into_boxed_str())
}
