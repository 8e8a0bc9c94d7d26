//! What happened in an hour of requests.
#![allow(unreachable_pub, clippy::arithmetic_side_effects)]

use std::ops::Range;
use std::time::Duration;

use http::HeaderValue;

/// What happened to one stack.
#[derive(Clone)]
pub struct Timeline {
    pub name: &'static str,
    pub answers: Vec<Answer>,
    /// When each exchange began, and whether it brought a token.
    pub exchanges: Vec<(Duration, bool)>,
    /// Each token, with its first and last use.
    pub tokens: Vec<(Option<HeaderValue>, Range<Duration>)>,
}

/// What became of one request.
#[derive(Clone, Copy)]
pub struct Answer {
    pub at: Duration,
    pub wait: Duration,
    pub ok: bool,
}

impl Timeline {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            answers: Vec::new(),
            exchanges: Vec::new(),
            tokens: Vec::new(),
        }
    }

    pub fn note_token(&mut self, token: Option<HeaderValue>, at: Duration) {
        match self.tokens.last_mut() {
            Some((last, uses)) if *last == token => uses.end = at,
            _ => self.tokens.push((token, at..at)),
        }
    }

    pub fn failed(&self) -> usize {
        self.answers.iter().filter(|answer| !answer.ok).count()
    }

    /// The requests that succeeded, but not at once.
    pub fn waited(&self) -> usize {
        let waited = |answer: &&Answer| answer.ok && answer.wait > NOTICEABLE;
        self.answers.iter().filter(waited).count()
    }

    pub fn summary(&self) -> String {
        let [requests, waited, failed] =
            [self.answers.len(), self.waited(), self.failed()].map(grouped);
        let exchanges = self.exchanges.len();
        format!(
            "{requests} requests · {waited} waited · {failed} failed · {exchanges} token exchanges"
        )
    }

    /// The requests that were sent in that time.
    pub fn within(&self, slot: &Range<Duration>) -> impl Iterator<Item = &Answer> {
        self.answers
            .iter()
            .filter(|answer| slot.contains(&answer.at))
    }
}

/// With a comma at the thousands.
fn grouped(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// A shorter wait does not count as one.
pub const NOTICEABLE: Duration = Duration::from_millis(10);
