//! Which requests may carry the token.

use http::uri::{Authority, Scheme};
use http::{Method, Request, Uri};

use crate::origin::{self, Origin};
use crate::{Error, ErrorKind};

/// The origins that may receive the token.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    allowed: Vec<Origin>,
    any: bool,
    inbound: bool,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Pass {
    /// It carries the token.
    WithToken,
    /// It goes on as it is.
    Untouched,
    /// It fails.
    Refused(Error),
}

impl Scope {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            allowed: vec![origin],
            any: false,
            inbound: false,
        }
    }

    pub(crate) fn allow(&mut self, origin: Origin) {
        self.allowed.push(origin);
    }

    pub(crate) fn allow_any(&mut self) {
        self.any = true;
    }

    pub(crate) fn allow_inbound(&mut self) {
        self.inbound = true;
    }

    /// The URI decides; the `Host` header is not consulted.
    #[inline]
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Pass {
        if *request.method() == Method::CONNECT {
            return Pass::Untouched;
        }
        if self.inbound {
            return Pass::WithToken;
        }
        match request.uri().authority() {
            // The transport beneath adds the origin: axum, tonic.
            None => Pass::WithToken,
            Some(authority) => self.judge_origin(request.uri(), authority),
        }
    }

    fn judge_origin(&self, uri: &Uri, authority: &Authority) -> Pass {
        let Some(scheme) = uri.scheme() else {
            return Pass::Untouched;
        };
        if self.allowed.iter().any(|o| o.contains(scheme, authority)) {
            return Pass::WithToken;
        }
        if origin::has_userinfo(authority) {
            return Pass::Untouched;
        }
        if *scheme == Scheme::HTTPS && self.any && origin::is_complete(authority) {
            return Pass::WithToken;
        }
        let plain = *scheme == Scheme::HTTP;
        if plain && (self.any || self.allowed.iter().any(|o| o.is_downgraded_by(authority))) {
            return Pass::Refused(Error::new(ErrorKind::Configuration, PLAIN_HTTP));
        }
        Pass::Untouched
    }
}

const PLAIN_HTTP: &str = "the request would carry the token over plain HTTP: use https://";
