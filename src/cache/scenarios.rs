//! The token's life as scenarios: data that runs against the pure core, and
//! against the whole layer in paused time. A new scenario is one more entry.

mod core;
pub(crate) mod layer;
mod table;

use crate::ErrorKind;

/// What happens, and what is expected of it.
struct Scenario {
    name: &'static str,
    steps: &'static [Step],
}

/// Times are in seconds. Tokens are numbered in the order of their issue.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// How the token service answers from here on. At the start it takes a
    /// tenth of a second and issues tokens that live for 100 s.
    Service(Answer),
    /// Time passes.
    Pass(f64),
    /// The wall clock is set, while no time passes.
    WallClock(f64),
    /// A request comes. It carries this token, or fails with this kind of
    /// error, either at once…
    Sends(u32),
    Fails(ErrorKind),
    /// …or after a wait of so many seconds.
    SendsAfter(f64, u32),
    FailsAfter(f64, ErrorKind),
    /// A probe asks for the token, and gets this one or an error, at once or
    /// after so many seconds.
    Probes(f64, Result<u32, ErrorKind>),
    /// The API answers 401 to a request that carried this token.
    Rejects(u32),
    /// The API lets a request in that was sent with this token, the one in use,
    /// just now.
    Accepts(u32),
    /// The token in use is suspect, or not.
    Suspect(bool),
    /// The runtime of the fetch under way is shut down.
    Loses,
    /// The user invalidates this token.
    Invalidates(u32),
    /// So many fetches have been started since the beginning.
    Fetches(u32),
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// After so many seconds, a new token with such a lifetime.
    Issues(f64, f64),
    /// After so many seconds, the token that was issued last, again.
    Repeats(f64, f64),
    /// After so many seconds, an error.
    Errs(f64),
    /// At once, an error with such a `Retry-After`.
    ErrsUntil(f64),
    /// Never.
    Hangs,
}

/// How a request ended, and how long it waited.
#[derive(Debug)]
struct Outcome {
    waited: f64,
    result: Result<u32, ErrorKind>,
}

impl Step {
    /// What is expected of a request or a probe, where the step is one.
    fn expected(self) -> Option<Outcome> {
        let (waited, result) = match self {
            Step::Sends(token) => (0.0, Ok(token)),
            Step::Fails(kind) => (0.0, Err(kind)),
            Step::SendsAfter(waited, token) => (waited, Ok(token)),
            Step::FailsAfter(waited, kind) => (waited, Err(kind)),
            Step::Probes(waited, result) => (waited, result),
            _ => return None,
        };
        Some(Outcome { waited, result })
    }
}

impl Outcome {
    /// Timers have a resolution of a millisecond, and round up.
    fn matches(&self, expected: &Self) -> bool {
        self.result == expected.result && (self.waited - expected.waited).abs() < 0.005
    }
}

const FIRST_ANSWER: Answer = Answer::Issues(0.1, 100.0);
