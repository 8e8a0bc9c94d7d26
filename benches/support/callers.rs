//! What became of the callers of one stack.
#![allow(unreachable_pub, clippy::arithmetic_side_effects)]

use std::ops::Range;
use std::time::Duration;

/// All callers of a stack, and its exchanges after the first.
pub struct Callers {
    pub name: &'static str,
    pub all: Vec<Caller>,
    pub exchanges: Vec<Duration>,
}

pub struct Caller {
    /// When it sent its request.
    pub at: Duration,
    pub took: Duration,
    pub fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// As fast as without a token.
    AnsweredAtOnce,
    Waited,
    Saw401,
}

impl Callers {
    pub fn count(&self, fate: Fate) -> usize {
        self.all.iter().filter(|caller| caller.fate == fate).count()
    }

    /// Those that sent their request in that time.
    pub fn within(&self, slot: &Range<Duration>) -> impl Iterator<Item = &Caller> {
        self.all.iter().filter(|caller| slot.contains(&caller.at))
    }

    pub fn summary(&self) -> String {
        let saw_401 = match self.all.last().map(|caller| caller.fate) {
            Some(Fate::Saw401) => "all see a 401, until the token expires".to_owned(),
            _ => format!("{} see a 401", self.count(Fate::Saw401)),
        };
        let waited = self.all.iter().filter(|caller| caller.fate == Fate::Waited);
        let waited = match waited.map(|caller| caller.took).max() {
            None => String::new(),
            Some(longest) => {
                let (count, longest) = (self.count(Fate::Waited), longest.as_secs_f64());
                format!(" · {count} wait, {longest:.1} s at most")
            }
        };
        let exchanges = match self.exchanges.len() {
            0 => "no exchange".to_owned(),
            1 => "1 exchange".to_owned(),
            more => format!("{more} exchanges"),
        };
        format!("{saw_401}{waited} · {exchanges}")
    }
}
