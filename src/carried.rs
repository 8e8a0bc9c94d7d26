//! How a request is given the token, and what is remembered of it until its
//! answer comes.

use http::Request;
use http::header::AUTHORIZATION;

use crate::cache::{Bearer, Mark, Renewal};
use crate::grpc::Protocol;
use crate::{Error, ErrorKind};

/// What is remembered of a request that carries a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) mark: Mark,
    pub(crate) protocol: Protocol,
    pub(crate) before: Before,
    pub(crate) renewal: Renewal,
}

/// What the request was authorized with before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing, or what its caller sent.
    NotOurs,
    /// A header that is marked sensitive, as this crate's are and few others.
    /// Perhaps that of a layer above: it sees the answer, too, and must be told
    /// that the token was not its own.
    PerhapsOurs,
}

impl Carried {
    /// Gives the request the token. Replaces whatever it was authorized with: a
    /// gateway must not pass on what its own caller sent.
    ///
    /// # Errors
    ///
    /// [`Full`] if the request has as many headers as it can.
    #[inline]
    pub(crate) fn by<B>(request: &mut Request<B>, bearer: Bearer) -> Result<Self, Full> {
        let Bearer {
            header,
            mark,
            renewal,
        } = bearer;
        let protocol = Protocol::of(request.headers());
        let before = match request.headers_mut().try_insert(AUTHORIZATION, header) {
            Ok(Some(replaced)) if replaced.is_sensitive() => Before::PerhapsOurs,
            Ok(_) => Before::NotOurs,
            Err(_) => return Err(Full),
        };
        Ok(Self {
            mark,
            protocol,
            before,
            renewal,
        })
    }
}

/// The request has no place for another header.
#[derive(Debug)]
pub(crate) struct Full;

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Self::new(
            ErrorKind::Configuration,
            "the request has so many headers that there is no place for the token's: send fewer",
        )
    }
}
