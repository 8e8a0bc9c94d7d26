//! An answer judged by what it says of the token, and an [`Error`] as a response,
//! and back.

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::cache::Resend;
use crate::carried::{Before, Carried};
use crate::grpc::{self, Protocol, Verdict};
use crate::time::seconds;
use crate::{BoxError, Error, ErrorKind};

/// Left on an answer that rejected a token of ours, for the layers above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejected {
    /// Which token the request would carry if it were sent again.
    #[cfg_attr(
        not(feature = "retry"),
        expect(dead_code, reason = "for the policy of that feature")
    )]
    pub(crate) resend: Resend,
}

/// Left on an answer for the layers above whose token was replaced: it says
/// nothing of theirs, nor will its trailers.
#[derive(Clone, Copy, Debug)]
struct Judged;

/// What an answer says of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Rejected,
    /// Not yet anything: its trailers may reject it.
    Open,
    /// The request was let in.
    Accepted,
    Nothing,
}

/// Tells the cache what an answer says of the token that the request carried.
#[inline]
pub(crate) fn judge<B>(response: &mut Response<ResponseBody<B>>, carried: Carried) {
    let is_plain = carried.protocol == Protocol::Http
        && carried.before == Before::NotOurs
        && !carried.mark.is_suspect();
    if !is_plain || response.status() == StatusCode::UNAUTHORIZED {
        judge_closely(response, carried);
    }
}

fn judge_closely<B>(response: &mut Response<ResponseBody<B>>, carried: Carried) {
    let mark = carried.mark;
    let judgement = judgement(response, carried.protocol);
    if carried.before == Before::PerhapsOurs {
        response.extensions_mut().insert(Judged);
    }
    match judgement {
        Judgement::Rejected => {
            let resend = mark.reject();
            response.extensions_mut().insert(Rejected { resend });
        }
        Judgement::Open => {
            mark.accept();
            response.body_mut().watch(mark);
        }
        Judgement::Accepted => mark.accept(),
        Judgement::Nothing => {}
    }
}

fn judgement<B>(response: &Response<B>, sent: Protocol) -> Judgement {
    let extensions = response.extensions();
    let is_judged = extensions.get::<Rejected>().is_some() || extensions.get::<Judged>().is_some();
    // Our own error says that another layer's fetch failed, beneath this one.
    if is_judged || extensions.get::<Error>().is_some() {
        return Judgement::Nothing;
    }
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        return Judgement::Rejected;
    }
    let is_grpc = sent == Protocol::Grpc && Protocol::of(response.headers()) == Protocol::Grpc;
    match (is_grpc, Verdict::of(response.headers())) {
        (true, Verdict::Unauthenticated) if status == StatusCode::OK => Judgement::Rejected,
        (true, Verdict::Fine) if status == StatusCode::OK => Judgement::Open,
        (true, _) => Judgement::Nothing,
        (false, _) if status.is_success() => Judgement::Accepted,
        (false, _) => Judgement::Nothing,
    }
}

/// The response that `error` becomes, in the form that the caller understands.
/// Never a 401: a retry on that would loop.
pub(crate) fn from_error<B>(error: Error, protocol: Protocol) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::default());
    match protocol {
        Protocol::Grpc => {
            let status = match error.is_transient() {
                true => grpc::Status::Unavailable,
                false => grpc::Status::Unauthenticated,
            };
            grpc::set_status(response.headers_mut(), status, &error.to_string());
        }
        Protocol::Http => {
            let status = http_status(&error);
            *response.status_mut() = status;
            let retry_after = error.retry_after();
            if let Some(left) = retry_after.filter(|_| status == StatusCode::SERVICE_UNAVAILABLE) {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, seconds(left).into());
            }
        }
    }
    response.extensions_mut().insert(error);
    response
}

fn http_status(error: &Error) -> StatusCode {
    if error.kind() == ErrorKind::Timeout {
        StatusCode::GATEWAY_TIMEOUT
    } else if error.is_transient() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::BAD_GATEWAY
    }
}

/// Turns the response that a request without a token is answered into an `Err`,
/// for code that would rather see it as one.
///
/// Of a response, the error is an [`Error`], which fits `?` in any function:
///
/// ```
/// use fiskil_auth::{Error, error_for_auth};
/// use http::{Request, Response};
/// use tower::{Service, ServiceExt};
///
/// /// `api` is a client with the layer on it.
/// async fn end_users<S, B>(api: S) -> anyhow::Result<Response<B>>
/// where
///     S: Service<Request<String>, Response = Response<B>>,
///     S::Error: std::error::Error + Send + Sync + 'static,
/// {
///     let request = Request::get("https://api.fiskil.com/v1/end-users");
///     let response = api.oneshot(request.body(String::new())?).await?;
///     Ok(error_for_auth(response)?)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let mut response = Response::new(());
/// # response.extensions_mut().insert(Error::other("the vault is sealed"));
/// # let api = tower::service_fn(move |_| {
/// #     let response = response.clone();
/// #     async { Ok::<_, std::io::Error>(response) }
/// # });
///
/// # let error = end_users(api).await.unwrap_err();
/// match error.downcast_ref::<Error>() {
///     Some(auth) => println!("no token: {auth}"),
///     None => println!("no answer: {error}"),
/// }
/// # assert!(error.downcast_ref::<Error>().unwrap().is_transient());
/// # }
/// ```
///
/// Of a result, it is a [`BoxError`], which may be the service's own. That fits
/// [`ServiceExt::map_result`], above the layer and anything else that is to see the
/// response:
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
/// The [`Error`] that the response carries; the inner service's error where there is
/// no response.
///
/// [`ServiceExt::map_result`]: https://docs.rs/tower/0.5/tower/trait.ServiceExt.html#method.map_result
pub fn error_for_auth<A: Answer>(answer: A) -> Result<A::Response, A::Error> {
    answer.for_auth()
}

/// What [`error_for_auth`] looks into: a response, or a result that has one.
#[diagnostic::on_unimplemented(
    message = "`error_for_auth` looks into responses, and results of them, and `{Self}` is neither",
    note = "the error of a result must be `Into<BoxError>`"
)]
pub trait Answer: sealed::Sealed {
    /// The response that passes.
    type Response;
    /// What is returned in the place of a response that carries an [`Error`].
    type Error;

    /// See [`error_for_auth`].
    ///
    /// # Errors
    ///
    /// As there.
    fn for_auth(self) -> Result<Self::Response, Self::Error>;
}

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else implements `Answer`")]
    pub trait Sealed {}

    impl<B> Sealed for http::Response<B> {}

    impl<B, E> Sealed for Result<http::Response<B>, E> {}
}

impl<B> Answer for Response<B> {
    type Response = Self;
    type Error = Error;

    fn for_auth(mut self) -> Result<Self, Error> {
        match self.extensions_mut().remove::<Error>() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

impl<B, E> Answer for Result<Response<B>, E>
where
    E: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = BoxError;

    fn for_auth(self) -> Result<Response<B>, BoxError> {
        Ok(self.map_err(Into::into)?.for_auth()?)
    }
}
