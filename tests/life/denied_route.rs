//! A route that answers 401 for reasons of its own, beside others that don't.

use std::convert::Infallible;
use std::time::Duration;

use fiskil_auth::{FiskilAuthLayer, Token};
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::SECOND;
use crate::support::{Tokens, alone_or_shared, layer};

/// What an API answers that denies `/denied`, and after how long.
async fn get(layer: &FiskilAuthLayer, path: &str) -> (StatusCode, Duration) {
    let api = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(());
        if request.uri().path() == "/denied" {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok::<_, Infallible>(response)
    });
    let request = Request::get(path).body(()).unwrap();
    let from = Instant::now();
    let response = layer.layer(api).oneshot(request).await.unwrap();
    (response.status(), from.elapsed())
}

fn issue(tokens: &Tokens, lifetime: Duration) {
    tokens.answer(move |n| async move {
        sleep(SECOND / 10).await;
        Ok::<_, BoxError>(Token::new(format!("t{n}"), lifetime)?)
    });
}

/// Where a rejected token was dropped if its renewal was not permitted, 3, 32, 64
/// and 81 % of the other requests failed.
#[tokio::test(start_paused = true)]
async fn one_request_in_ten_denied_fails_none_of_the_others_with_tokens_of_any_lifetime() {
    for lifetime in [30, 20, 10, 5] {
        let tokens = Tokens::new();
        issue(&tokens, lifetime * SECOND);
        let layer = layer(&tokens);
        let mut longest = Duration::ZERO;
        let from = Instant::now();
        // Ten requests a second for ten minutes.
        for n in 0..6000 {
            let is_denied = n % 10 == 0;
            let path = if is_denied { "/denied" } else { "/" };
            let (status, waited) = get(&layer, path).await;
            longest = longest.max(waited);
            match is_denied {
                true => assert_eq!(status, StatusCode::UNAUTHORIZED),
                false => assert_eq!(status, StatusCode::OK, "{n}, tokens of {lifetime} s"),
            }
            sleep(SECOND / 10).await;
        }
        assert!(longest <= SECOND, "{longest:?}");
        // A token is renewed at 60 % of its life at the earliest, and three times at
        // once for rejections, and once more for every five minutes.
        let minutes = u32::try_from(from.elapsed().as_secs()).unwrap() / 60;
        let by_age = minutes * 60 * 10 / (lifetime * 6) + 1;
        let exchanges = tokens.exchanges();
        assert!(
            exchanges <= by_age + 3 + minutes / 5,
            "{exchanges}, tokens of {lifetime} s"
        );
    }
}

/// Without a limit, every other request waited for up to 10 s.
#[tokio::test(start_paused = true)]
async fn while_the_endpoint_hangs_at_the_first_rejection_the_others_wait_for_a_second() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    get(&layer, "/").await;
    tokens.hang();
    get(&layer, "/denied").await;
    let requests = (0..100).map(|_| get(&layer, "/"));
    for (status, waited) in futures_util::future::join_all(requests).await {
        assert_eq!(status, StatusCode::OK);
        assert_eq!(waited.as_millis() / 10, 100);
    }
    // They show that the token is good.
    for _ in 0..100 {
        assert_eq!(get(&layer, "/").await, (StatusCode::OK, Duration::ZERO));
        sleep(SECOND / 10).await;
    }
    assert_eq!(tokens.exchanges(), 2);
}

/// Probes are green all the while, also when the endpoint refuses everything: as
/// long as other requests show within a second that the token is good.
#[tokio::test(start_paused = true)]
async fn beside_a_denied_route_probes_stay_green_while_the_endpoint_is_down() {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    get(&layer, "/").await;
    tokens.fail("down");
    let probing = tokio::spawn(async move {
        let from = Instant::now();
        while from.elapsed() < 880 * SECOND {
            let asked = Instant::now();
            cache.token().await.unwrap();
            assert!(asked.elapsed() <= SECOND, "{:?}", asked.elapsed());
            sleep(SECOND).await;
        }
    });
    let mut n = 0_u32;
    while !probing.is_finished() {
        let path = if n.is_multiple_of(10) { "/denied" } else { "/" };
        get(&layer, path).await;
        n += 1;
        sleep(SECOND / 20).await;
    }
    probing.await.unwrap();
}

/// As where the keys belong to another environment than the API does.
#[tokio::test(start_paused = true)]
async fn an_api_that_denies_everything_costs_a_renewal_in_18_seconds_on_average() {
    let tokens = Tokens::new();
    issue(&tokens, 900 * SECOND);
    let layer = layer(&tokens);
    let from = Instant::now();
    while from.elapsed() < 3600 * SECOND {
        let (status, waited) = get(&layer, "/denied").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(waited <= SECOND, "{waited:?}");
        sleep(SECOND / 10).await;
    }
    // In five minutes: one within the budget, one each after 1, 2, 4, 8 and 16 s, and
    // eleven after 24 s each. Three more at the start, with the first one. A fleet has
    // no more than that: it steps up once, and then it is one after 24 s each.
    let exchanges = tokens.exchanges();
    let (least, most) = alone_or_shared((180, 3 + 12 * 17), (145, 3 + 6 + 3600 / 24));
    assert!((least..=most).contains(&exchanges), "{exchanges}");
}
