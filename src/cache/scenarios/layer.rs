//! Runs the scenarios against the whole layer, in paused time.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode};
use tower::util::BoxCloneService;
use tower::{Layer, Service, service_fn};

use super::{Answer, FIRST_ANSWER, Outcome, Scenario, Step, table::SCENARIOS};
use crate::cache::Mark;
use crate::cache::core::{Ask, Step as Next};
use crate::{Credentials, Error, ErrorKind, FiskilAuthLayer, Token, TokenCache, TokenRequest};

#[test]
fn every_scenario_holds_for_the_layer() {
    let over = |exchange| FiskilAuthLayer::with_token_service(credentials(), exchange);
    every_scenario_but(&[], over);
}

/// The token service of the scenarios.
pub(crate) type Exchange = BoxCloneService<TokenRequest, Token, Error>;

/// Runs all scenarios but those of these names, with the layer that `over` makes for
/// each.
pub(crate) fn every_scenario_but(skipped: &[&str], over: impl Fn(Exchange) -> FiskilAuthLayer) {
    let is_known = |name| SCENARIOS.iter().any(|scenario| scenario.name == name);
    assert!(skipped.iter().all(|name| is_known(*name)));
    for scenario in SCENARIOS {
        if skipped.contains(&scenario.name) {
            continue;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(scenario, &over));
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("id", "secret")
}

async fn run(scenario: &Scenario, over: impl Fn(Exchange) -> FiskilAuthLayer) {
    let service = Arc::new(Mutex::new(TokenService {
        answer: FIRST_ANSWER,
        issued: 0,
        exchanges: 0,
    }));
    let tokens = service.clone();
    let exchange = service_fn(move |_: TokenRequest| exchange(tokens.clone()));
    let layer = over(BoxCloneService::new(exchange));
    let mut api = layer.layer(service_fn(async |request: Request<()>| {
        // No evidence for or against the token: scenarios give that themselves.
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::NOT_FOUND;
        *response.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(response)
    }));
    let cache = layer.tokens();
    let mut seen: Vec<(Token, Mark)> = Vec::new();

    for (index, step) in scenario.steps.iter().enumerate() {
        let context = format!("{}, step {index} {step:?}", scenario.name);
        let carried = |number: u32| {
            let number = number.to_string();
            seen.iter()
                .rfind(|(token, _)| token.value() == number)
                .unwrap()
        };
        match *step {
            Step::Service(answer) => service.lock().unwrap().answer = answer,
            Step::Pass(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds)).await,
            Step::WallClock(shift) => {
                let mut wall = cache.shared.clock.wall_shift.lock().unwrap();
                let span = Duration::from_secs_f64(shift.abs());
                if shift < 0.0 {
                    wall.back += span;
                } else {
                    wall.forward += span;
                }
            }
            Step::Rejects(number) => {
                carried(number).1.reject();
                settle().await;
            }
            Step::Accepts(number) => {
                let usable = cache.usable().unwrap_or_else(|| panic!("{context}"));
                assert_eq!(usable.token.value(), number.to_string(), "{context}");
                cache.mark(&usable).accept();
            }
            Step::Suspect(suspect) => assert_eq!(cache.status().suspect, suspect, "{context}"),
            Step::Loses => {
                let Next::Join { flight, .. } = cache.shared.step(Ask::Refresh) else {
                    panic!("{context}: no fetch is under way");
                };
                flight.abort();
                settle().await;
            }
            Step::Invalidates(number) => cache.invalidate(&carried(number).0),
            Step::Fetches(count) => {
                assert_eq!(service.lock().unwrap().exchanges, count, "{context}");
                assert_eq!(cache.status().fetches, u64::from(count), "{context}");
            }
            Step::Probes(..) => {
                let expected = step.expected().unwrap();
                let from = tokio::time::Instant::now();
                let result = cache.token().await;
                let waited = from.elapsed().as_secs_f64();
                let result = result.map(|token| token.value().parse().unwrap());
                let result = result.map_err(|error| error.kind());
                settle().await;
                let outcome = Outcome { waited, result };
                assert!(outcome.matches(&expected), "{context}: {outcome:?}");
                seen.extend(in_use(&cache));
            }
            request => {
                let expected = request.expected().unwrap();
                let from = tokio::time::Instant::now();
                let response = api.call(Request::new(())).await.unwrap();
                let waited = from.elapsed().as_secs_f64();
                let result = match response.extensions().get::<Error>() {
                    Some(error) => Err(error.kind()),
                    None => Ok(number(response.headers())),
                };
                settle().await;
                let outcome = Outcome { waited, result };
                assert!(outcome.matches(&expected), "{context}: {outcome:?}");
                seen.extend(in_use(&cache));
            }
        }
    }
}

struct TokenService {
    answer: Answer,
    issued: u32,
    exchanges: u32,
}

async fn exchange(service: Arc<Mutex<TokenService>>) -> Result<Token, Error> {
    let failed = || Error::new(ErrorKind::Unavailable, "down");
    let (answer, issued) = {
        let mut service = service.lock().unwrap();
        service.exchanges += 1;
        service.issued += u32::from(matches!(service.answer, Answer::Issues(..)));
        (service.answer, service.issued)
    };
    let (latency, lifetime) = match answer {
        Answer::Issues(latency, lifetime) | Answer::Repeats(latency, lifetime) => {
            (latency, Some(lifetime))
        }
        Answer::Errs(latency) => (latency, None),
        Answer::ErrsUntil(wait) => {
            let until = tokio::time::Instant::now() + Duration::from_secs_f64(wait);
            return Err(failed().with_retry_at(Some(until.into_std())));
        }
        Answer::Hangs => std::future::pending().await,
    };
    if latency > 0.0 {
        tokio::time::sleep(Duration::from_secs_f64(latency)).await;
    }
    let lifetime = Duration::from_secs_f64(lifetime.ok_or_else(failed)?);
    Token::new(issued.to_string(), lifetime)
}

/// The token that a request would carry now, and what it would remember of it.
fn in_use(cache: &TokenCache) -> Option<(Token, Mark)> {
    let usable = cache.usable()?;
    let mark = cache.mark(&usable);
    Some((usable.token, mark))
}

/// Which token the API saw.
fn number(headers: &HeaderMap) -> u32 {
    let value = headers.get(AUTHORIZATION).unwrap().to_str().unwrap();
    value.strip_prefix("Bearer ").unwrap().parse().unwrap()
}

/// Lets the tasks that were just spawned get as far as they can at this moment.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
