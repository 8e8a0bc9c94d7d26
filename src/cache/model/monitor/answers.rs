//! The rules for what those get who ask, other than to be sent.

use super::super::waits::{DEADLINE, Wait};
use super::{Monitor, failure};
use crate::{Error, ErrorKind};

impl Monitor {
    pub(in super::super) fn request_fails(&mut self, id: u32, error: &Error) {
        let has_token = self.book.usable(self.now).is_some();
        self.rule(!has_token, "no request fails while a token is valid");
        let wait = self.waits.end(id);
        self.fails(&wait, error);
    }

    /// What a failure says, and when it may be said.
    fn fails(&mut self, wait: &Wait, error: &Error) {
        let (now, book) = (self.now, &self.book);
        let failed = &book.failed;
        let text = std::error::Error::source(error).map(ToString::to_string);
        let is_same =
            error.kind() == failed.kind && text.is_none_or(|text| text == failure(failed.exchange));
        let shared = is_same && (failed.at == now || now < book.latest);
        let is_spaced = match error.kind() {
            ErrorKind::Runtime => book.losses > 3,
            kind => kind == ErrorKind::InvalidToken,
        };
        let is_short = is_spaced && now < book.short_lives;
        let gave_up = error.kind() == ErrorKind::Timeout && now == wait.since + DEADLINE;
        let was_lost = error.kind() == ErrorKind::Runtime && wait.lost > 3;
        let is_told = shared || is_short || gave_up || was_lost;
        self.rule(
            is_told,
            "all share the last failure, while it holds fetches back",
        );
    }

    pub(in super::super) fn probe_ends(&mut self, id: u32, result: Result<u32, Error>) {
        let (now, held) = (self.now, self.book.usable(self.now));
        let suspicion = held.and_then(|held| held.suspicion);
        let value = held.map(|held| held.value);
        let is_held = now < self.book.earliest || now < self.book.short_lives;
        let is_renewed = self.is_renewed();
        let wait = self.waits.end(id);
        self.rule(is_renewed, "a probe renews what is due");
        match (result, suspicion) {
            (Ok(told), suspicion) => {
                let has_failed = suspicion.is_some_and(|suspicion| suspicion.failed.is_some());
                let is_doubtful = suspicion.is_some() && is_held;
                self.rule(value == Some(told), "a probe gets the token in use");
                self.rule(
                    !has_failed && !is_doubtful || wait.trusts(&self.book),
                    "a probe does not trust a suspect token that can't be renewed",
                );
            }
            (Err(error), Some(suspicion)) => {
                let in_time = now < suspicion.since + 1000;
                self.rule(!in_time || wait.is_over(now), "a probe waits for evidence");
                if suspicion.failed != Some(error.kind()) {
                    self.fails(&wait, &error);
                }
            }
            (Err(error), None) => {
                self.rule(value.is_none(), "no probe fails while a token is good");
                self.fails(&wait, &error);
            }
        }
    }

    pub(in super::super) fn refresh_ends(&mut self, id: u32, result: Result<u32, Error>) {
        let wait = self.waits.end(id);
        match result {
            Ok(value) => {
                let held = self.book.held.as_ref();
                let held = held.filter(|held| held.value == value);
                let is_new = held.is_some_and(|held| held.delivered >= wait.since);
                self.rule(is_new, "a refresh returns the token that it fetched");
            }
            Err(error) => self.fails(&wait, &error),
        }
    }
}
