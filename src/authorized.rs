//! For clients beside the layer: a request gets its token, and the layer is told
//! how it was answered.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, StatusCode, Uri};

use crate::cache::{Budget, Mark, Own, Renewal, Resend};
use crate::carried::Full;
use crate::scope::Pass;
use crate::service::Auth;
use crate::{Error, ErrorKind};

/// A request that was given its token by
/// [`FiskilAuthLayer::authorize`](crate::FiskilAuthLayer::authorize), until it is
/// answered.
///
/// [reqwest](crate::docs::reqwest) has an example.
#[derive(Debug)]
#[must_use = "report how the request was answered, or a rejected token stays in use"]
pub struct Authorized {
    /// None, where the request passes without a token.
    mark: Option<Mark>,
}

impl Authorized {
    /// Tells the layer how the API answered. A 401 rejects the token, which is renewed
    /// at once, within the layer's [budget](crate::docs::requests); a 2xx clears one
    /// that was rejected before this request was sent.
    ///
    /// Of a gRPC answer, report status 16 as a 401, and any other failure as what is
    /// neither that nor a 2xx.
    ///
    /// Returns which token the request would carry if it were sent again. After
    /// anything but a 401, that is the same.
    pub fn report(self, status: StatusCode) -> Resend {
        let Some(mark) = self.mark else {
            return Resend::Same;
        };
        if status == StatusCode::UNAUTHORIZED {
            return mark.reject();
        }
        if status.is_success() {
            mark.accept();
        }
        Resend::Same
    }

    /// Puts the token on `headers`, if a request for `uri` may carry it.
    pub(crate) async fn by(auth: &Auth, uri: Uri, headers: &mut HeaderMap) -> Result<Self, Error> {
        let tokens = &auth.tokens;
        // That of an earlier call with the same headers must not go elsewhere.
        if headers
            .get(AUTHORIZATION)
            .is_some_and(|value| tokens.is_recent(value))
        {
            headers.remove(AUTHORIZATION);
        }
        if uri.authority().is_none() {
            return Err(Error::new(ErrorKind::Configuration, NO_ORIGIN));
        }
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        match auth.scope.judge(&request) {
            Pass::WithToken => {}
            Pass::Untouched => return Ok(Self { mark: None }),
            Pass::Forbidden(forbidden) => {
                auth.scope.warn_of(&forbidden);
                return Err(forbidden.to_error());
            }
        }
        let bearer = match tokens.bearer(&mut Own::Uncalled) {
            Some(bearer) => bearer,
            None => tokens.bearer_of(&tokens.wait(Budget::MAX).await?),
        };
        headers
            .try_insert(AUTHORIZATION, bearer.header)
            .map_err(|_| Full)?;
        if bearer.renewal == Renewal::Due {
            bearer.mark.renew();
        }
        let mark = Some(bearer.mark);
        Ok(Self { mark })
    }
}

const NO_ORIGIN: &str = "the URI names no origin, so that nobody knows where the token would go: \
     pass the whole one, with https:// and the host";
