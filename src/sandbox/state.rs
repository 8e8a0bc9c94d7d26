//! What a sandbox knows: its pairs, tokens, scripts, switches and counts.
//!
//! Every decision is taken here, under one lock and against a given time; no
//! foreign code runs meanwhile.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use super::admission::{Admission, Verdict};
use super::counts::Count;
use super::exchanged::Exchanged;
use super::fault::Faults;
use super::log::{Entries, Entry, Seen};
use super::pairs::{Asker, Latest, PairId, PairStanding, Pairs, generate_credentials};
use super::scripts::{Cue, Ending, ScriptId, Scripts, Subject};
use super::tokens::{Standing, Tokens};
use super::{Counts, Log, Step};
use crate::Credentials;
use crate::redact::Secrets;

pub(super) struct State {
    made: Instant,
    pub(super) pairs: Pairs,
    /// The pair that the sandbox was made with, or the one that replaced it.
    first: PairId,
    tokens: Tokens,
    scripts: Scripts,
    pub(super) faults: Faults,
    pub(super) lifetime: Duration,
    pub(super) latency: Duration,
    reject_every: u32,
    rejectable: u64,
    counts: Counts,
    last_exchange: Option<Request<()>>,
    log: Entries,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        let mut pairs = Pairs::default();
        let first = pairs.accept(generate_credentials());
        Self {
            made: now,
            pairs,
            first,
            tokens: Tokens::default(),
            scripts: Scripts::default(),
            faults: Faults::default(),
            lifetime: DEFAULT_LIFETIME,
            latency: Duration::ZERO,
            reject_every: 0,
            rejectable: 0,
            counts: Counts::default(),
            last_exchange: None,
            log: Entries::default(),
        }
    }

    // What the handles switch and read.

    pub(super) fn credentials(&self) -> Credentials {
        self.pairs.get(self.first).credentials.clone()
    }

    pub(super) fn rotate_credentials(&mut self) {
        self.pairs.get_mut(self.first).standing = PairStanding::Revoked;
        self.first = self.pairs.accept(generate_credentials());
    }

    pub(super) fn revoke_tokens(&mut self) {
        self.tokens.revoke_all();
    }

    pub(super) fn revoke_tokens_of(&mut self, pair: PairId) {
        self.tokens.revoke_those_of(pair);
    }

    pub(super) fn heal(&mut self) {
        self.faults.end();
        for pair in self.pairs.iter_mut() {
            pair.faults.end();
        }
    }

    pub(super) fn start_script(&mut self, subject: Subject, steps: VecDeque<Step>) -> ScriptId {
        self.scripts.start(subject, steps)
    }

    pub(super) fn take_script(&mut self, id: ScriptId) -> Option<Ending> {
        self.scripts.take(id)
    }

    pub(super) fn reject_every_nth_request(&mut self, n: u32) {
        self.reject_every = n;
        self.rejectable = 0;
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn last_exchange(&self) -> Option<Request<()>> {
        self.last_exchange.clone()
    }

    pub(super) fn log(&self) -> Log {
        self.log.show(|pair| self.name(pair), &self.secrets())
    }

    // What the services ask and report.

    pub(super) fn note_exchange(&mut self, head: Request<()>) {
        self.count(None, |counts| &mut counts.exchanges);
        self.last_exchange = Some(head);
    }

    /// Decides what becomes of an exchange with this id and secret, if it has any,
    /// and notes it.
    pub(super) fn exchange(
        &mut self,
        seen: Seen,
        presented: Option<(String, String)>,
        now: Instant,
    ) -> Exchanged {
        let asker = self.pairs.asker(presented);
        let pair = asker.pair();
        if let Some(pair) = pair {
            let counts = &mut self.pairs.get_mut(pair).counts;
            counts.increment(|counts| &mut counts.exchanges);
        }
        let exchanged = match (self.take_cue(pair), asker) {
            (Some(Cue::End(script)), _) => {
                self.note_beyond(script, &seen, pair, now);
                Exchanged::BeyondScript
            }
            (Some(Cue::Failure(fault)), _) => Exchanged::Failed(fault),
            (_, Asker::Nobody) => Exchanged::Malformed,
            (_, Asker::Stranger | Asker::Revoked(_)) => Exchanged::Refused,
            (Some(Cue::SameToken), Asker::Accepted(pair)) => self.repeat(pair, now),
            (Some(Cue::Token { lifetime }), Asker::Accepted(pair)) => {
                self.issue(pair, lifetime, now)
            }
            (None, Asker::Accepted(pair)) => self.issue(pair, self.lifetime_for(pair), now),
        };
        self.note(seen, pair, exchanged.to_string(), now);
        exchanged
    }

    fn note_beyond(&mut self, script: ScriptId, seen: &Seen, pair: Option<PairId>, now: Instant) {
        let exchange = seen.by(pair.map(|pair| self.name(pair)), &self.secrets());
        let at = self.age(now).as_secs_f64();
        let text = format!("{exchange}, {at:.3} s after the start");
        self.scripts.note_beyond(script, text);
    }

    /// Whether a request with this token is let in.
    pub(super) fn judge(&self, token: Option<&str>, now: Instant) -> Admission {
        let known = token.and_then(|token| self.tokens.look_up(token, now));
        let verdict = match (token, known) {
            (None, _) => Verdict::NoToken,
            (Some(_), None) => Verdict::UnknownToken,
            (_, Some((_, Standing::Expired))) => Verdict::Expired,
            (_, Some((_, Standing::Revoked))) => Verdict::Revoked,
            (_, Some((_, Standing::Live))) => {
                let rejectable = self.rejectable.saturating_add(1);
                match rejectable.checked_rem(self.reject_every.into()) {
                    Some(0) => Verdict::RejectedAnyway,
                    _ => Verdict::LetIn,
                }
            }
        };
        Admission {
            pair: known.map(|(pair, _)| pair),
            verdict,
        }
    }

    /// Notes a request that was [judged](Self::judge).
    pub(super) fn note_request(&mut self, seen: Seen, admission: Admission, now: Instant) {
        let Admission { pair, verdict } = admission;
        self.count(pair, |counts| &mut counts.requests);
        if matches!(verdict, Verdict::LetIn | Verdict::RejectedAnyway) {
            self.rejectable = self.rejectable.saturating_add(1);
        }
        if verdict != Verdict::LetIn {
            self.count(pair, |counts| &mut counts.unauthorized);
        }
        self.note(seen, pair, verdict.to_string(), now);
    }

    /// Notes a request to a route that there is none of.
    pub(super) fn note_stray(&mut self, seen: Seen, now: Instant) {
        self.count(None, |counts| &mut counts.requests);
        self.note(seen, None, "404, there is no such route".to_owned(), now);
    }

    /// What was prepared for an exchange of this pair: the pair's own comes first.
    fn take_cue(&mut self, pair: Option<PairId>) -> Option<Cue> {
        let own = pair.and_then(|pair| {
            let script = self.scripts.take_cue(Subject::Pair(pair));
            script.or_else(|| Some(self.pairs.get_mut(pair).faults.take_next()?.into()))
        });
        own.or_else(|| self.scripts.take_cue(Subject::All))
            .or_else(|| Some(self.faults.take_next()?.into()))
    }

    fn issue(&mut self, pair: PairId, lifetime: Duration, now: Instant) -> Exchanged {
        let (value, expiry) = self.tokens.issue(pair, lifetime, now);
        self.count(Some(pair), |counts| &mut counts.issued);
        self.pairs.get_mut(pair).latest = Some(Latest {
            value: value.clone(),
            expiry,
        });
        Exchanged::Issued { value, lifetime }
    }

    fn repeat(&mut self, pair: PairId, now: Instant) -> Exchanged {
        let Some(latest) = &self.pairs.get(pair).latest else {
            return self.issue(pair, self.lifetime_for(pair), now);
        };
        let left = |expiry: Instant| expiry.saturating_duration_since(now);
        Exchanged::Repeated {
            value: latest.value.clone(),
            left: latest.expiry.map_or(Duration::MAX, left),
        }
    }

    fn count(&mut self, pair: Option<PairId>, count: Count) {
        self.counts.increment(count);
        if let Some(pair) = pair {
            self.pairs.get_mut(pair).counts.increment(count);
        }
    }

    fn note(&mut self, seen: Seen, pair: Option<PairId>, outcome: String, now: Instant) {
        let at = self.age(now);
        self.log.push(Entry {
            at,
            seen,
            pair,
            outcome,
        });
    }

    fn lifetime_for(&self, pair: PairId) -> Duration {
        self.pairs.get(pair).lifetime.unwrap_or(self.lifetime)
    }

    fn name(&self, pair: PairId) -> &str {
        self.pairs.get(pair).credentials.client_id()
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.made)
    }

    /// Those that may stand in what a caller sent.
    fn secrets(&self) -> Secrets<'_> {
        let secrets = self
            .pairs
            .iter()
            .map(|pair| pair.credentials.expose_secret());
        let latest = self.pairs.iter().filter_map(|pair| pair.latest.as_ref());
        Secrets::none()
            .and(secrets)
            .and(latest.map(|latest| latest.value.as_str()))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("credentials", &self.credentials())
            .field("faults", &self.faults)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// What Fiskil calls typical.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(900);
