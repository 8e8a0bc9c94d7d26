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
    Nothing,
    /// Perhaps by another layer of this crate, above: then that sees the answer,
    /// too, and must be told that the token was not its own.
    Something,
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
            Ok(None) => Before::Nothing,
            Ok(Some(_)) => Before::Something,
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
