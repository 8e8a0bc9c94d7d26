//! Which requests may carry the token, and what becomes of the others.

use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Scheme;
use http::{Method, Request, Uri};
use tracing::warn;

use crate::origin::{self, Origin};
use crate::shown::shown;
use crate::{Error, ErrorKind};

/// The origins that may receive the token.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    allowed: Vec<Origin>,
    any_https: bool,
    inbound: bool,
    others_pass: bool,
    warned: Arc<Warned>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Pass {
    /// It carries the token.
    WithToken,
    /// It goes on as it is.
    Untouched,
    /// It goes nowhere.
    Forbidden(Forbidden),
}

/// The origin that a request names, and why it may not go there.
#[derive(Debug)]
pub(crate) struct Forbidden {
    origin: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Reason {
    NotAllowed,
    PlainHttp,
}

impl Scope {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            allowed: vec![origin],
            any_https: false,
            inbound: false,
            others_pass: false,
            warned: Arc::default(),
        }
    }

    pub(crate) fn allow(&mut self, origin: Origin) {
        self.allowed.push(origin);
    }

    pub(crate) fn allow_any(&mut self) {
        self.any_https = true;
    }

    pub(crate) fn allow_inbound(&mut self) {
        self.inbound = true;
    }

    pub(crate) fn pass_others(&mut self) {
        self.others_pass = true;
    }

    /// The URI decides; the `Host` header is not consulted.
    #[inline]
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Pass {
        if self.is_common(request.uri()) && *request.method() != Method::CONNECT {
            return Pass::WithToken;
        }
        self.judge_rare(request.method(), request.uri())
    }

    /// Whether the URI names no origin, so that the transport beneath adds it, as
    /// with axum and tonic, or an allowed one as it is commonly spelled. All the
    /// rest costs more than the whole way of most requests.
    #[inline]
    fn is_common(&self, uri: &Uri) -> bool {
        match (uri.scheme(), uri.authority()) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(scheme), Some(authority)) => {
                self.allowed.iter().any(|o| o.is_spelled(scheme, authority))
            }
        }
    }

    #[cold]
    fn judge_rare(&self, method: &Method, uri: &Uri) -> Pass {
        if *method == Method::CONNECT {
            return self.judge_other(uri);
        }
        if self.inbound {
            return Pass::WithToken;
        }
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return self.judge_other(uri);
        };
        if self.allowed.iter().any(|o| o.contains(scheme, authority)) {
            return Pass::WithToken;
        }
        if origin::has_userinfo(authority) {
            return self.judge_other(uri);
        }
        if *scheme == Scheme::HTTPS && self.any_https && origin::is_complete(authority) {
            return Pass::WithToken;
        }
        let is_downgrade = || self.allowed.iter().any(|o| o.is_downgraded_by(authority));
        if *scheme == Scheme::HTTP && (self.any_https || is_downgrade()) {
            return forbid(uri, Reason::PlainHttp);
        }
        self.judge_other(uri)
    }

    fn judge_other(&self, uri: &Uri) -> Pass {
        match self.others_pass {
            true => Pass::Untouched,
            false => forbid(uri, Reason::NotAllowed),
        }
    }

    /// Tells the operator, once for each origin.
    pub(crate) fn warn_of(&self, forbidden: &Forbidden) {
        if self.warned.note(&forbidden.origin) {
            let error = forbidden.to_error();
            warn!(target: "fiskil_auth", origin = forbidden.origin, %error, "request refused");
        }
    }
}

fn forbid(uri: &Uri, reason: Reason) -> Pass {
    Pass::Forbidden(Forbidden {
        origin: shown(origin::name(uri)),
        reason,
    })
}

impl Forbidden {
    pub(crate) fn to_error(&self) -> Error {
        let origin = &self.origin;
        let text = match self.reason {
            Reason::NotAllowed => format!(
                "the request is for {origin}, where the token may not go: allow that \
                 (allow_origin), say that this is a server's side (inbound), or let requests \
                 for other origins pass without a token (pass_other_origins)"
            ),
            Reason::PlainHttp => format!(
                "the request would carry the token over plain HTTP to {origin}: use https://"
            ),
        };
        Error::new(ErrorKind::Configuration, text)
    }
}

/// The origins that were warned of. Callers choose them, so only a few are kept.
#[derive(Debug, Default)]
struct Warned {
    origins: Mutex<Vec<String>>,
}

impl Warned {
    /// Notes the origin. Returns whether it is a new one, and there was room for it.
    fn note(&self, origin: &str) -> bool {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let another = origins.len() < MOST_WARNINGS && !origins.iter().any(|known| known == origin);
        if another {
            origins.push(origin.to_owned());
        }
        another
    }
}

/// Enough to notice a mistake; callers who make origins up must not fill the log.
const MOST_WARNINGS: usize = 16;
