//! What `Status` tells of a token's life.

use fiskil_auth::{ErrorKind, Token};
use http::{Request, StatusCode};
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt};

use crate::SECOND;
use crate::support::{Api, Tokens, layer, settle, token};

#[tokio::test(start_paused = true)]
async fn the_lifetime_is_that_of_the_usable_token() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    assert_eq!(cache.status().lifetime, None);
    cache.token().await.unwrap();
    assert_eq!(cache.status().lifetime, Some(900 * SECOND));
    tokens.answer(|_| async { Ok::<_, BoxError>(Token::new("short", 60 * SECOND)?) });
    let short = cache.refresh().await.unwrap();
    sleep(50 * SECOND).await;
    // In all, not what is left of it.
    assert_eq!(cache.status().lifetime, Some(60 * SECOND));
    sleep(5 * SECOND).await;
    assert_eq!(cache.status().lifetime, None);
    tokens.issue_after(SECOND);
    cache.token().await.unwrap();
    cache.invalidate(&token(3));
    assert_eq!(cache.status().lifetime, None);
    drop(short);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_suspect_from_a_401_until_a_success_or_its_renewal() {
    let tokens = Tokens::new();
    tokens.issue_after(SECOND / 10);
    let (layer, api) = (layer(&tokens), Api::default());
    let cache = layer.tokens();
    let answers = |status| {
        api.answer(status);
        layer.layer(api.clone()).oneshot(Request::new(()))
    };
    answers(StatusCode::OK).await.unwrap();
    assert!(!cache.status().suspect);
    for (status, suspect) in [
        (StatusCode::UNAUTHORIZED, true),
        // Neither for nor against the token.
        (StatusCode::FORBIDDEN, true),
        (StatusCode::INTERNAL_SERVER_ERROR, true),
        (StatusCode::NO_CONTENT, false),
        (StatusCode::UNAUTHORIZED, true),
    ] {
        tokens.fail("down");
        answers(status).await.unwrap();
        settle().await;
        assert_eq!(cache.status().suspect, suspect, "{status}");
    }
    // Its renewal is due at once, and waits for the endpoint's backoff only: a second,
    // stretched by a quarter at most.
    let refresh_in = cache.status().refresh_in.unwrap();
    assert!(
        refresh_in > SECOND / 2 && refresh_in <= SECOND * 5 / 4,
        "{refresh_in:?}"
    );
    tokens.issue_after(SECOND / 10);
    sleep(3 * SECOND).await;
    answers(StatusCode::FORBIDDEN).await.unwrap();
    sleep(SECOND / 5).await;
    let status = cache.status();
    assert_eq!((status.suspect, status.generation), (false, 2));
    // Without a usable token there is nothing to suspect.
    tokens.fail("down");
    cache.report_rejected(&cache.token().await.unwrap());
    sleep(900 * SECOND).await;
    assert!(!cache.status().suspect);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_that_of_the_latest_fetch_until_one_succeeds() {
    let tokens = Tokens::new();
    let cache = layer(&tokens).tokens();
    let kind = || cache.status().last_error.map(|error| error.kind());
    assert_eq!(kind(), None);
    tokens.fail("down");
    cache.token().await.unwrap_err();
    assert_eq!(kind(), Some(ErrorKind::TokenService));
    let error = cache.status().last_error.unwrap();
    assert!(error.retry_after().is_some_and(|left| left >= SECOND));
    sleep(2 * SECOND).await;
    tokens.hang();
    cache.token().await.unwrap_err();
    assert_eq!(kind(), Some(ErrorKind::Timeout));
    sleep(3 * SECOND).await;
    tokens.issue_after(SECOND);
    cache.token().await.unwrap();
    assert_eq!(kind(), None);
    // A renewal that fails while the token is good.
    tokens.fail("down");
    cache.refresh().await.unwrap_err();
    assert_eq!(kind(), Some(ErrorKind::TokenService));
    assert!(cache.status().expires_in.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_rejected_token_handed_out_again_is_the_last_error_while_it_is_suspect() {
    let tokens = Tokens::new();
    tokens.answer(|_| async { Ok(token(1)) });
    let layer = layer(&tokens);
    let cache = layer.tokens();
    cache.report_rejected(&cache.token().await.unwrap());
    settle().await;
    let error = cache.status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidToken);
    assert!(error.to_string().contains("handed out the same one again"));
    let service = layer.layer(Api::default());
    service.oneshot(Request::new(())).await.unwrap();
    assert!(cache.status().last_error.is_none());
}
