//! What a TLS error in a chain says of the server.

use std::error::Error as StdError;

use super::foreign::find;

/// Whether the server's certificate was refused.
pub(crate) fn is_bad_certificate(error: &(dyn StdError + 'static)) -> bool {
    matches!(find(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// Whether the server answered, but not with TLS, as one for plain HTTP does.
pub(crate) fn is_other_protocol(error: &(dyn StdError + 'static)) -> bool {
    matches!(find(error), Some(rustls::Error::InvalidMessage(_)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{Error, ErrorKind};

    #[test]
    fn a_bad_certificate_is_found_however_often_io_errors_wrap_it() {
        let bad = || rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert!(is_bad_certificate(&bad()));
        assert!(is_bad_certificate(&io::Error::other(bad())));
        assert!(is_bad_certificate(&io::Error::other(io::Error::other(
            bad()
        ))));
        let wrapped =
            Error::new(ErrorKind::Unavailable, "wrapped").with_source(io::Error::other(bad()));
        assert!(is_bad_certificate(&wrapped));
        assert!(!is_bad_certificate(&io::Error::other(
            rustls::Error::HandshakeNotComplete
        )));
        assert!(!is_bad_certificate(&io::Error::from(
            io::ErrorKind::ConnectionRefused
        )));
    }

    #[test]
    fn what_is_no_tls_is_told_from_what_is_bad_tls() {
        let other = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(is_other_protocol(&io::Error::other(other)));
        assert!(!is_other_protocol(&rustls::Error::HandshakeNotComplete));
        assert!(!is_other_protocol(&io::Error::from(
            io::ErrorKind::UnexpectedEof
        )));
    }
}
