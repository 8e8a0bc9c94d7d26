//! Turning the response that a failure became back into an error.

use http::Response;

use crate::{BoxError, Error};

/// Turns the response that a request without a token is answered into an `Err`,
/// for code that would rather see it as one.
///
/// Fits [`ServiceExt::map_result`], above the layer and anything else that is
/// to see the response:
///
/// ```
/// use fiskil_auth::{Error, ErrorKind, FiskilAuthLayer, error_for_auth};
/// # use fiskil_auth::{Credentials, Token, TokenRequest};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let http = tower::service_fn(async |_: http::Request<()>| {
/// #     Ok::<_, std::io::Error>(http::Response::new(()))
/// # });
/// # let service = tower::service_fn(async |_: TokenRequest| {
/// #     Token::new("yMWEx", std::time::Duration::from_secs(900))
/// # });
/// # let layer = FiskilAuthLayer::with_token_service(Credentials::new("", ""), service);
/// let api = ServiceBuilder::new()
///     .layer(layer)
///     .service(http)
///     .map_result(error_for_auth);
///
/// // The credentials are empty.
/// let error = api.oneshot(http::Request::new(())).await.unwrap_err();
/// let error: &Error = error.downcast_ref().unwrap();
/// assert_eq!(error.kind(), ErrorKind::Credentials);
/// # }
/// ```
///
/// The API's own answers pass, whatever their status.
///
/// # Errors
///
/// An [`Error`], boxed, where the response carries one; the inner service's
/// error, boxed, where there is no response.
///
/// [`ServiceExt::map_result`]: https://docs.rs/tower/0.5/tower/trait.ServiceExt.html#method.map_result
pub fn error_for_auth<B, E>(result: Result<Response<B>, E>) -> Result<Response<B>, BoxError>
where
    E: Into<BoxError>,
{
    let mut response = result.map_err(Into::into)?;
    match response.extensions_mut().remove::<Error>() {
        Some(error) => Err(error.into()),
        None => Ok(response),
    }
}
