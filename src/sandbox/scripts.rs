//! The scripts that a sandbox follows, and those exchanges that found theirs at its
//! end.

use std::collections::VecDeque;
use std::time::Duration;

use super::pairs::PairId;
use super::{Fault, Step};

#[derive(Default)]
pub(super) struct Scripts {
    /// The latest for a subject is the one that is followed.
    running: Vec<Running>,
    ids: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScriptId(u64);

/// Whose exchanges a script is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    All,
    Pair(PairId),
}

struct Running {
    id: ScriptId,
    subject: Subject,
    /// How many there were.
    length: usize,
    left: VecDeque<Step>,
    beyond: Vec<String>,
}

/// What was prepared for an exchange.
#[derive(Debug)]
pub(super) enum Cue {
    Token {
        lifetime: Duration,
    },
    /// The latest token again.
    SameToken,
    Failure(Fault),
    /// This script ran out.
    End(ScriptId),
}

impl From<Fault> for Cue {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::SameToken => Self::SameToken,
            failure => Self::Failure(failure),
        }
    }
}

impl From<Step> for Cue {
    fn from(step: Step) -> Self {
        match step {
            Step::Token { lifetime } => Self::Token { lifetime },
            Step::Fault(fault) => fault.into(),
        }
    }
}

/// How a script ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) length: usize,
    pub(super) left: VecDeque<Step>,
    /// The exchanges for which it had no step, up to a few.
    pub(super) beyond: Vec<String>,
}

impl Scripts {
    pub(super) fn start(&mut self, subject: Subject, steps: VecDeque<Step>) -> ScriptId {
        self.ids = self.ids.saturating_add(1);
        let id = ScriptId(self.ids);
        self.running.push(Running {
            id,
            subject,
            length: steps.len(),
            left: steps,
            beyond: Vec::new(),
        });
        id
    }

    /// What the script for this subject has next, taken off it.
    pub(super) fn take_cue(&mut self, subject: Subject) -> Option<Cue> {
        let mut latest_first = self.running.iter_mut().rev();
        let script = latest_first.find(|script| script.subject == subject)?;
        Some(match script.left.pop_front() {
            Some(step) => step.into(),
            None => Cue::End(script.id),
        })
    }

    /// Notes that a script had no step for this exchange.
    pub(super) fn note_beyond(&mut self, id: ScriptId, exchange: String) {
        let script = self.running.iter_mut().find(|script| script.id == id);
        if let Some(script) = script.filter(|script| script.beyond.len() < MOST_BEYOND) {
            script.beyond.push(exchange);
        }
    }

    /// Takes the script away. `None` if that was done before.
    pub(super) fn take(&mut self, id: ScriptId) -> Option<Ending> {
        let place = self.running.iter().position(|script| script.id == id)?;
        let script = self.running.remove(place);
        Some(Ending {
            length: script.length,
            left: script.left,
            beyond: script.beyond,
        })
    }
}

/// What follows the first says little more.
const MOST_BEYOND: usize = 8;
