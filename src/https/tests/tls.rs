//! The versions of TLS that the default client speaks.
//!
//! Mutations caught: TLS 1.3 only; TLS 1.2 only.

use std::sync::Mutex;

use super::*;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_with_one_version_of_tls_issues_a_token() {
    for version in rustls::ALL_VERSIONS {
        let server = Server::start_tls_with(&[TOKEN], certificate(), &[version]).await;
        let outcome = exchange_with_trust_store(server.uri("https"), &server.certificate).await;
        assert!(
            outcome.contains("outcome: token"),
            "{:?}: {outcome}",
            version.version
        );
        assert_eq!(server.secrets(), 1);
    }
}

/// What rustls could do is not what the client offers: this is.
#[tokio::test]
async fn the_client_offers_tls_1_3_and_1_2_and_nothing_older() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hello = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&hello);
    tokio::spawn(async move {
        // The further attempts are heard as well: a port that was closed could
        // be given to another test's server, which would count them.
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            // A handshake message.
            let [0x16, _, _, high, low] = head else {
                continue;
            };
            let mut record = vec![0; u16::from_be_bytes([high, low]).into()];
            stream.read_exact(&mut record).await.unwrap();
            *heard.lock().unwrap() = Some(record);
        }
    });
    // Any certificate: it does not get that far.
    let pem = Server::start_tls(&[]).await.certificate;
    let uri = format!("https://{address}/v1/token").parse().unwrap();
    let outcome = exchange_with_trust_store(uri, &pem).await;
    let record = hello.lock().unwrap().take().expect(&outcome);
    assert_eq!(offered_versions(&record), [0x0304, 0x0303]);
}

/// The versions in the ClientHello that is `rest`: RFC 8446, 4.1.2 and 4.2.1.
fn offered_versions(mut rest: &[u8]) -> Vec<u16> {
    let rest = &mut rest;
    assert_eq!(take(rest, 1), [1], "no ClientHello");
    let mut hello = vector(rest, 3);
    assert!(rest.is_empty(), "more than a ClientHello");
    let rest = &mut hello;
    assert_eq!(take(rest, 2), [3, 3], "the version for old servers");
    let _random = take(rest, 32);
    let [_session, _suites, _compressions] = [1, 2, 1].map(|prefix| vector(rest, prefix));
    let mut extensions = vector(rest, 2);
    while !extensions.is_empty() {
        let kind = take(&mut extensions, 2);
        let mut content = vector(&mut extensions, 2);
        if kind == SUPPORTED_VERSIONS {
            let versions = vector(&mut content, 1).as_chunks().0;
            return versions.iter().copied().map(u16::from_be_bytes).collect();
        }
    }
    Vec::new()
}

/// What follows its length, which is that many bytes long.
fn vector<'a>(rest: &mut &'a [u8], prefix: usize) -> &'a [u8] {
    let length = take(rest, prefix)
        .iter()
        .fold(0, |high, low| high << 8 | usize::from(*low));
    take(rest, length)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    rest.split_off(..length).expect("it breaks off")
}

const SUPPORTED_VERSIONS: [u8; 2] = [0, 43];
