//! What a token service is told of the tokens before: one with a cache of its own
//! must know which it must not hand out again.
//!
//! Mutations caught: a rejection that is told of once, a token that is told of no
//! more after a fetch that did not know, or one that is told of for ever.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fiskil_auth::{BoxError, Credentials, FiskilAuthLayer, Token, TokenCache, TokenRequest};
use tokio::time::sleep;
use tower::service_fn;

const SECOND: Duration = Duration::from_secs(1);

/// A cache, and its token service, which takes a second.
struct World {
    cache: TokenCache,
    answers: Arc<Mutex<Answer>>,
    told: Arc<Mutex<Vec<Told>>>,
}

/// Which token was rejected, and which is held.
type Told = (Option<String>, Option<String>);

#[derive(Clone, Copy)]
enum Answer {
    Issues(u32),
    Fails,
}

impl World {
    fn new() -> Self {
        let answers = Arc::new(Mutex::new(Answer::Issues(1)));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (answer, tell) = (answers.clone(), told.clone());
        let service = service_fn(move |request: TokenRequest| {
            let value = |token: Option<Token>| {
                let header = token?.header_value().to_str().unwrap().to_owned();
                Some(header.strip_prefix("Bearer ").unwrap().to_owned())
            };
            let told = (value(request.rejected), value(request.held));
            tell.lock().unwrap().push(told);
            let answer = *answer.lock().unwrap();
            async move {
                sleep(SECOND).await;
                match answer {
                    Answer::Issues(n) => Ok(token(n)),
                    Answer::Fails => Err(BoxError::from("down")),
                }
            }
        });
        let pair = Credentials::new("id", "secret");
        Self {
            cache: FiskilAuthLayer::with_token_service(pair, service).tokens(),
            answers,
            told,
        }
    }

    /// What is told with a renewal that ends so.
    async fn refresh(&self, answer: Answer) -> (Option<&'static str>, Option<&'static str>) {
        *self.answers.lock().unwrap() = answer;
        let _ = self.cache.refresh().await;
        // Past any hold.
        sleep(60 * SECOND).await;
        self.last()
    }

    fn last(&self) -> (Option<&'static str>, Option<&'static str>) {
        let name = |value: Option<String>| {
            let known = ["t1", "t2", "t3", "t4"];
            value.map(|value| *known.iter().find(|known| **known == value).unwrap())
        };
        let (rejected, held) = self.told.lock().unwrap().last().unwrap().clone();
        (name(rejected), name(held))
    }
}

fn token(n: u32) -> Token {
    Token::new(format!("t{n}"), 900 * SECOND).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_told_of_until_another_has_come() {
    let world = World::new();
    world.cache.token().await.unwrap();
    assert_eq!(world.last(), (None, None));
    *world.answers.lock().unwrap() = Answer::Fails;
    world.cache.report_rejected(&token(1));
    sleep(60 * SECOND).await;
    let rejected = (Some("t1"), Some("t1"));
    assert_eq!(world.last(), rejected);
    for _ in 0..3 {
        assert_eq!(world.refresh(Answer::Fails).await, rejected);
    }
    assert_eq!(world.refresh(Answer::Issues(2)).await, rejected);
    assert_eq!(world.refresh(Answer::Issues(3)).await, (None, Some("t2")));
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_is_told_of_until_another_has_come() {
    let world = World::new();
    world.cache.token().await.unwrap();
    world.cache.invalidate(&token(1));
    for _ in 0..3 {
        assert_eq!(world.refresh(Answer::Fails).await, (Some("t1"), None));
    }
    // Also where what comes is the same again.
    assert_eq!(world.refresh(Answer::Issues(1)).await, (Some("t1"), None));
    assert_eq!(world.refresh(Answer::Issues(2)).await, (Some("t1"), None));
    assert_eq!(world.refresh(Answer::Issues(3)).await, (None, Some("t2")));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_invalidated_during_a_fetch_is_told_of_in_the_next() {
    let world = World::new();
    world.cache.token().await.unwrap();
    let invalidates = async {
        sleep(SECOND / 2).await;
        world.cache.invalidate(&token(1));
    };
    let (told, ()) = tokio::join!(world.refresh(Answer::Issues(2)), invalidates);
    assert_eq!(told, (None, Some("t1")));
    let (also, held) = (Some("t1"), Some("t2"));
    assert_eq!(world.refresh(Answer::Fails).await, (also, held));
    assert_eq!(world.refresh(Answer::Issues(3)).await, (also, held));
    assert_eq!(world.refresh(Answer::Issues(4)).await, (None, Some("t3")));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_told_of_does_not_hide_a_later_rejection() {
    let world = World::new();
    world.cache.token().await.unwrap();
    let invalidates = async {
        sleep(SECOND / 2).await;
        world.cache.invalidate(&token(1));
    };
    tokio::join!(world.refresh(Answer::Issues(2)), invalidates);
    // A fetch that knows of the first brings the second again.
    let (also, held) = (Some("t1"), Some("t2"));
    assert_eq!(world.refresh(Answer::Issues(2)).await, (also, held));
    world.cache.report_rejected(&token(2));
    assert_eq!(world.refresh(Answer::Issues(3)).await, (held, held));
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_although_it_was_invalidated_is_told_of_in_the_next() {
    let world = World::new();
    world.cache.invalidate(&token(1));
    assert_eq!(world.refresh(Answer::Issues(1)).await, (None, None));
    assert_eq!(world.refresh(Answer::Issues(2)).await, (Some("t1"), None));
    assert_eq!(world.cache.status().generation, 1);
    assert_eq!(world.refresh(Answer::Issues(3)).await, (None, Some("t2")));
}
