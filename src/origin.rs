//! Origins (RFC 6454: scheme, host, port), and which URIs may be configured.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::{Error, ErrorKind, fiskil};

/// An origin to which secrets may go: HTTPS, or plain HTTP on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    /// As URIs commonly spell it.
    authority: Box<str>,
}

impl Origin {
    /// The origin of a configured URI.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for anything but `https://host[:port]…`, or
    /// `http://` on loopback; for userinfo and for a port that is none.
    pub(crate) fn configured(uri: &Uri) -> Result<Self, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(refused(
                "the URI needs a scheme and a host, as in https://proxy.example",
            ));
        };
        if has_userinfo(authority) {
            return Err(refused(
                "the URI must not have a user name or password in it",
            ));
        }
        if authority.host().is_empty() {
            return Err(refused("the URI has no host"));
        }
        let Some(port) = effective_port(scheme, authority) else {
            return Err(refused("the URI's port is not a number from 0 to 65535"));
        };
        if *scheme != Scheme::HTTPS && !(*scheme == Scheme::HTTP && is_loopback(authority.host())) {
            return Err(refused(
                "the URI must be https:// (http:// is for loopback only)",
            ));
        }
        Ok(Self::new(scheme, authority.host(), port))
    }

    /// Where Fiskil's API is.
    pub(crate) fn fiskil() -> Self {
        Self::new(&Scheme::HTTPS, fiskil::HOST, HTTPS_PORT)
    }

    fn new(scheme: &Scheme, host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        let authority = match port == default_port(scheme) {
            true => host.clone(),
            false => format!("{host}:{port}"),
        };
        Self {
            scheme: scheme.clone(),
            host: host.into(),
            port,
            authority: authority.into(),
        }
    }

    /// Whether the URI of a request names this origin in its common spelling: in
    /// lower case, and without the scheme's own port.
    #[inline]
    pub(crate) fn is_spelled(&self, scheme: &Scheme, authority: &Authority) -> bool {
        *authority.as_str() == *self.authority && *scheme == self.scheme
    }

    /// Whether the URI of a request names this origin, and no user. Hosts are
    /// compared as text, in upper or lower case.
    pub(crate) fn contains(&self, scheme: &Scheme, authority: &Authority) -> bool {
        *scheme == self.scheme
            && !has_userinfo(authority)
            && authority.host().eq_ignore_ascii_case(&self.host)
            && effective_port(scheme, authority) == Some(self.port)
    }

    /// Whether a plain HTTP request is this HTTPS origin with the encryption
    /// left out: the same host, on HTTP's port or on this origin's.
    pub(crate) fn is_downgraded_by(&self, authority: &Authority) -> bool {
        self.scheme == Scheme::HTTPS
            && authority.host().eq_ignore_ascii_case(&self.host)
            && effective_port(&Scheme::HTTP, authority)
                .is_none_or(|port| port == HTTP_PORT || port == HTTPS_PORT || port == self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// What follows from a base URL.
#[cfg(feature = "https")]
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) origin: Origin,
    pub(crate) token_endpoint: Uri,
}

#[cfg(feature = "https")]
impl Base {
    /// The path of the URL is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] as for [`Origin::configured`], for a query,
    /// and for a URL that is the token endpoint's own.
    pub(crate) fn parse(base: impl TryInto<Uri>) -> Result<Self, Error> {
        let base = parse(base)?;
        let origin = Origin::configured(&base)?;
        if base.query().is_some() {
            return Err(refused("the base URL must not have a query"));
        }
        let path = base.path().trim_end_matches('/');
        if path.ends_with(fiskil::TOKEN_PATH) {
            return Err(refused(
                "the base URL must not end in /v1/token: that is added to it",
            ));
        }
        let path = format!("{path}{}", fiskil::TOKEN_PATH);
        let mut parts = base.into_parts();
        parts.path_and_query = path.try_into().ok();
        let token_endpoint =
            Uri::from_parts(parts).map_err(|_| refused("the base URL's path can't be used"))?;
        Ok(Self {
            origin,
            token_endpoint,
        })
    }
}

/// The URI that a caller passed.
pub(crate) fn parse(uri: impl TryInto<Uri>) -> Result<Uri, Error> {
    // The parser's error is dropped: the text may have had a password in it.
    uri.try_into()
        .map_err(|_| refused("this is not a URI; https://proxy.example is one"))
}

/// The origin that a request's URI names, as it is spelled there, for a message:
/// without a user name or password.
pub(crate) fn name(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", Authority::as_str);
    let (_, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
    match uri.scheme() {
        Some(scheme) => format!("{scheme}://{host_and_port}"),
        None => host_and_port.to_owned(),
    }
}

pub(crate) fn has_userinfo(authority: &Authority) -> bool {
    authority.as_str().contains('@')
}

/// Whether there is a host, and either a valid port or none.
pub(crate) fn is_complete(authority: &Authority) -> bool {
    !authority.host().is_empty() && effective_port(&Scheme::HTTPS, authority).is_some()
}

/// The port, or the scheme's default. `None` for what is no port: `http::Uri`
/// lets `h:99999` and `h:` pass.
fn effective_port(scheme: &Scheme, authority: &Authority) -> Option<u16> {
    let (_, host_and_port) = authority
        .as_str()
        .rsplit_once('@')
        .unwrap_or(("", authority.as_str()));
    match host_and_port.strip_prefix(authority.host())? {
        "" => Some(default_port(scheme)),
        rest => rest
            .strip_prefix(':')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok()),
    }
}

/// That of HTTPS, or of plain HTTP: there are no others here.
fn default_port(scheme: &Scheme) -> u16 {
    match *scheme == Scheme::HTTPS {
        true => HTTPS_PORT,
        false => HTTP_PORT,
    }
}

/// 127.0.0.0/8, `[::1]` and `localhost`.
fn is_loopback(host: &str) -> bool {
    let v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        || v6.is_some_and(|host| host.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()))
}

fn refused(text: &'static str) -> Error {
    Error::new(ErrorKind::Configuration, text)
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
