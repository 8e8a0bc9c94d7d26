//! The answer for want of a token, beyond its row in the table of failures, and
//! how the error in it is found and made.
//!
//! Guarantees 3 (waits are bounded) and 6 (the token endpoint is not pressed), in
//! what the caller is told of when to come back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::time::Duration;

use fiskil_auth::{
    BoxError, Credentials, Error, ErrorKind, FiskilAuthLayer, ProvideCredentials, ResponseBody,
    Token, error_for_auth,
};
use http::{Request, Response, StatusCode};
use http_body::Body;
use support::{Api, Tokens, error, layer};
use tower::{Layer, ServiceExt};

async fn send(layer: &FiskilAuthLayer) -> Response<ResponseBody<()>> {
    let service = layer.layer(Api::default());
    service.oneshot(Request::new(())).await.unwrap()
}

/// What a request is answered whose credentials come from `provider`.
async fn with_provider(provider: impl ProvideCredentials) -> Response<ResponseBody<()>> {
    send(&FiskilAuthLayer::with_token_service(
        provider,
        Tokens::new(),
    ))
    .await
}

fn failing_with(text: &'static str) -> FiskilAuthLayer {
    let tokens = Tokens::new();
    tokens.fail(text);
    layer(&tokens)
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_whole_seconds_in_the_header_and_what_is_left_in_the_error() {
    let layer = failing_with("down");
    let response = send(&layer).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // 1 to 1.25 s, rounded up.
    assert_eq!(response.headers().get("retry-after").unwrap(), "2");
    let failure = error(&response);
    assert!(failure.is_transient());
    let left = failure.retry_after().unwrap();
    assert!((1.0..=1.25).contains(&left.as_secs_f64()), "{left:?}");
    // It shrinks as time passes.
    tokio::time::advance(Duration::from_millis(500)).await;
    assert!(failure.retry_after().unwrap() <= Duration::from_millis(750));
    tokio::time::advance(Duration::from_millis(750)).await;
    assert_eq!(failure.retry_after(), None);
}

#[tokio::test(start_paused = true)]
async fn error_for_auth_turns_the_failure_into_an_err() {
    let service = failing_with("down").layer(Api::default());
    let result = service
        .map_result(error_for_auth)
        .oneshot(Request::new(()))
        .await;
    let error = result.unwrap_err();
    let error: &Error = error.downcast_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::TokenService);
    assert!(error.is_transient() && error.retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn error_for_auth_passes_everything_else() {
    let api = Api::default();
    for status in [200, 401, 502, 503, 504] {
        api.answer(StatusCode::from_u16(status).unwrap());
        let service = layer(&Tokens::new()).layer(api.clone());
        let response = service
            .map_result(error_for_auth)
            .oneshot(Request::new(()))
            .await
            .unwrap();
        assert_eq!(response.status(), status);
    }
    let inner: Result<Response<()>, _> = Err("the inner service's own");
    let error = error_for_auth(inner).unwrap_err();
    assert_eq!(error.to_string(), "the inner service's own");
}

#[tokio::test(start_paused = true)]
async fn error_for_auth_of_a_response_is_an_error_that_fits_a_question_mark() {
    async fn status(layer: &FiskilAuthLayer) -> anyhow::Result<StatusCode> {
        Ok(error_for_auth(send(layer).await)?.status())
    }
    let error = status(&failing_with("down")).await.unwrap_err();
    let error: &Error = error.downcast_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::TokenService);
    let fine = status(&layer(&Tokens::new())).await;
    assert_eq!(fine.unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_failure_response_has_an_empty_body() {
    let layer = failing_with("down");
    let response = layer
        .layer(tower::service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        }))
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_this_crates_keeps_its_kind_however_deep_it_is_wrapped() {
    #[derive(Debug)]
    struct Wrapped(Error);
    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let ours = || Token::new("", Duration::from_secs(1)).unwrap_err();
    for deep in [false, true] {
        let tokens = Tokens::new();
        tokens.answer(move |_| async move {
            let error: BoxError = if deep {
                Wrapped(ours()).into()
            } else {
                ours().into()
            };
            Err(error)
        });
        let response = send(&layer(&tokens)).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(error(&response).kind(), ErrorKind::InvalidToken);
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_found_within_an_io_error() {
    let provider = || async {
        let ours = Error::other("no such secret").permanent();
        Err::<Credentials, _>(std::io::Error::other(ours))
    };
    assert_eq!(
        with_provider(provider).await.status(),
        StatusCode::BAD_GATEWAY
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_made_by_the_user_may_say_when_to_come_back() {
    let provider = || async {
        let minute = Duration::from_secs(60);
        Err::<Credentials, _>(Error::other("the vault is sealed").with_retry_after(minute))
    };
    let response = with_provider(provider).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds = response.headers().get("retry-after").unwrap();
    let seconds: u32 = seconds.to_str().unwrap().parse().unwrap();
    // Stretched by a tenth at most.
    assert!((60..=66).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_its_own_source_causes_no_endless_loop() {
    #[derive(Debug)]
    struct Loop;
    impl std::fmt::Display for Loop {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("again")
        }
    }
    impl std::error::Error for Loop {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(self)
        }
    }
    let response = with_provider(|| async { Err::<Credentials, _>(Loop) }).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn processes_that_were_told_the_same_retry_after_do_not_return_at_the_same_instant() {
    const MINUTE: Duration = Duration::from_secs(60);
    let mut holds = Vec::new();
    for _ in 0..200 {
        let provider =
            || async { Err::<Credentials, _>(Error::other("sealed").with_retry_after(MINUTE)) };
        let response = with_provider(provider).await;
        holds.push(error(&response).retry_after().unwrap());
    }
    holds.sort();
    let (first, last) = (*holds.first().unwrap(), *holds.last().unwrap());
    // Nobody earlier, nobody by more than a tenth later, and spread over all of it.
    assert!(
        first >= MINUTE && last <= MINUTE + MINUTE / 10,
        "{first:?}, {last:?}"
    );
    assert!(last - first > MINUTE / 20, "{first:?}, {last:?}");
    holds.dedup();
    assert!(holds.len() > 190, "{}", holds.len());
}
