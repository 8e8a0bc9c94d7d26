//! The layer's options: to which origins its token may go.

use std::sync::Arc;

use http::Uri;

use super::FiskilAuthLayer;
use crate::Error;
use crate::origin::{self, Origin};

impl FiskilAuthLayer {
    /// Lets the token go to the origin of `uri`, too.
    ///
    /// Requests whose URI names no origin (a tonic client, axum over HTTP/1) carry the
    /// token anyway. Those that name another origin are refused: they are answered with
    /// 502 and [`ErrorKind::Configuration`](crate::ErrorKind::Configuration), and a
    /// [warning](crate::docs::watching) tells of each of the first sixteen origins.
    /// See [`pass_other_origins`](Self::pass_other_origins).
    ///
    /// ```
    /// # fn set_up(layer: fiskil_auth::FiskilAuthLayer) -> Result<(), fiskil_auth::Error> {
    /// let layer = layer.allow_origin("https://fiskil-mirror.example")?;
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if it is
    /// not `https://` (`http://` is for loopback only), or has userinfo.
    pub fn allow_origin(mut self, uri: impl TryInto<Uri>) -> Result<Self, Error> {
        let origin = Origin::configured(&origin::parse(uri)?)?;
        Arc::make_mut(&mut self.auth).scope.allow(origin);
        Ok(self)
    }

    /// Lets the token go to any HTTPS origin. Plain HTTP stays refused, but for
    /// loopback origins that are [allowed](Self::allow_origin) by name.
    ///
    /// For clients that talk to Fiskil only, through hosts that aren't known
    /// beforehand. Beneath a redirect layer this hands the token to whoever
    /// Fiskil's answers point to.
    ///
    /// ```
    /// # fn set_up(layer: fiskil_auth::FiskilAuthLayer) {
    /// let layer = layer.any_origin();
    /// # drop(layer);
    /// # }
    /// ```
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        Arc::make_mut(&mut self.auth).scope.allow_any();
        self
    }

    /// Lets requests for other origins pass, without a token and with whatever
    /// `Authorization` header they had, instead of refusing them. `CONNECT` is one
    /// of them, whatever it names.
    ///
    /// For clients that serve several APIs, or follow redirects to elsewhere. Not for
    /// a server's side, where callers choose the URI: with it, they choose whether
    /// their own `Authorization` goes on. Plain HTTP to an allowed HTTPS origin stays
    /// refused.
    ///
    /// ```
    /// # fn set_up(layer: fiskil_auth::FiskilAuthLayer) {
    /// // One client for Fiskil and for whatever else the program calls.
    /// let layer = layer.pass_other_origins();
    /// # drop(layer);
    /// # }
    /// ```
    #[must_use]
    pub fn pass_other_origins(mut self) -> Self {
        Arc::make_mut(&mut self.auth).scope.pass_others();
        self
    }

    /// For a server's side, such as an `axum::Router` or a tonic server: every
    /// request carries the token, whatever its URI says, and whatever its caller
    /// sent as `Authorization` is replaced. `CONNECT` alone is refused.
    ///
    /// Over HTTP/1, requests to a server commonly name no origin, and carry the
    /// token anyway. Over HTTP/2, and from callers that think they speak to a
    /// proxy, they name the server's own host, in the caller's spelling: without
    /// this they would be refused, as requests for other origins are.
    ///
    /// Not for clients: a redirect that is followed would take the token along. Nor
    /// may what is beneath send a request on to where its caller's URI points.
    ///
    /// ```
    /// # fn router(layer: fiskil_auth::FiskilAuthLayer) -> axum::Router {
    /// axum::Router::new()
    ///     .route("/", axum::routing::get(async || "…"))
    ///     .layer(layer.inbound())
    /// # }
    /// ```
    #[must_use]
    pub fn inbound(mut self) -> Self {
        Arc::make_mut(&mut self.auth).scope.allow_inbound();
        self
    }
}
