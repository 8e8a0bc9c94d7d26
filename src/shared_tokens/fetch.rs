//! One fetch of a token: asks the store, and waits, exchanges or does without
//! the store, as the answer says.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::exchange::{Exchange, with_lock};
use super::keys::Keys;
use super::protocol::{self, Answer, Ask, MIN_LEFT, Unreadable, What};
use super::store::{Session, StoreError};
use super::turn::{Clocks, Granted, Turn};
use super::{Sharing, bounded, entry, refusal};
use crate::cache::{lifetime_for, usable_for};
use crate::source::Source;
use crate::{Error, ErrorKind, Token, TokenRequest};

/// One fetch under way.
struct Fetch<'a> {
    sharing: &'a Sharing,
    request: &'a TokenRequest,
    keys: Keys,
    begun: Instant,
    ask: Ask,
}

/// Where asking ended.
enum Decided {
    Done(Result<Token, Error>),
    /// The lock is ours.
    Exchange(Granted),
    /// Exchange, and share nothing of it.
    Alone,
}

/// What comes next.
enum Next {
    Done(Result<Token, Error>),
    /// Ask again at once, now that more is known to be unreadable.
    Ask,
    /// Ask again in a moment.
    Poll,
    /// The lock is ours. The entry is that of the failure before.
    Exchange(Vec<u8>),
    /// Exchange, and share nothing of it.
    Alone,
}

/// The token for `request`: from the store, or by `exchange`. Its lifetime counts
/// from `begun`.
pub(super) async fn fetch(
    sharing: &Sharing,
    request: &TokenRequest,
    exchange: Exchange,
    begun: Instant,
) -> Result<Token, Error> {
    sharing.known.note(request);
    let Some(mut fetch) = Fetch::new(sharing, request, begun) else {
        sharing
            .health
            .failed(&StoreError(NO_CRYPTOGRAPHY.to_owned()));
        return alone(exchange, begun).await;
    };
    let mut session = sharing.store.session();
    let granted = match fetch.decide(&mut *session).await {
        Decided::Done(outcome) => return outcome,
        Decided::Alone => return alone(exchange, begun).await,
        Decided::Exchange(granted) => granted,
    };
    let (keys, lock) = (&fetch.keys, &fetch.ask.lock);
    let mut turn = Turn {
        sharing,
        keys,
        lock,
        granted,
        session: &mut *session,
    };
    match with_lock(exchange, turn.session, &keys.names, lock).await {
        Ok((token, started)) => {
            turn.publish(&token, started).await;
            Ok(minted(begun, token, started))
        }
        Err(error) => Err(turn.fail(error).await),
    }
}

impl<'a> Fetch<'a> {
    /// `None` where the cryptography fails.
    fn new(sharing: &'a Sharing, request: &'a TokenRequest, begun: Instant) -> Option<Self> {
        let keys = Keys::new(&sharing.namespace, &request.credentials)?;
        let seen = sharing.known.seen(&keys, request);
        let ask = Ask {
            lock: keys.lock()?,
            exchange: protocol::Exchange::IfNobodyElse,
            held: seen.held,
            rejected: seen.rejected,
            renewal: seen.renewal,
            unreadable: Unreadable::default(),
        };
        Some(Self {
            sharing,
            request,
            keys,
            begun,
            ask,
        })
    }

    /// Asks until there is an outcome, or something to exchange: with the lock,
    /// or without where there is none.
    async fn decide(&mut self, session: &mut dyn Session) -> Decided {
        let deadline = deadline(self.begun);
        let mut wait = FIRST_POLL;
        loop {
            let asked = Instant::now();
            self.ask.exchange = match deadline.saturating_duration_since(asked) {
                left if left < MIN_EXCHANGE => protocol::Exchange::No,
                _ => protocol::Exchange::IfNobodyElse,
            };
            let asking = session.decide(&self.keys.names, &self.ask);
            let answer = match bounded(PATIENCE, asking).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.sharing.health.failed(&error);
                    return Decided::Alone;
                }
            };
            self.sharing.health.answered();
            let at = Clocks {
                store: answer.now,
                own: Instant::now(),
            };
            match self.judge(answer, asked) {
                Next::Done(outcome) => return Decided::Done(outcome.map_err(Error::of_the_fleet)),
                Next::Alone => return Decided::Alone,
                Next::Ask => {}
                Next::Exchange(before) => {
                    let left = PATIENCE.saturating_sub(asked.elapsed());
                    let patience = left.max(MIN_PATIENCE);
                    return Decided::Exchange(Granted {
                        at,
                        before,
                        patience,
                    });
                }
                Next::Poll if at.own >= deadline => {
                    return Decided::Done(Err(waited_in_vain().of_the_fleet()));
                }
                Next::Poll => {
                    // Between half of it and all: those who wait drift apart.
                    let jittered = wait.mul_f64((1.0 + fastrand::f64()) / 2.0);
                    sleep_until(after(at.own, jittered).min(deadline)).await;
                    wait = wait.mul_f64(POLL_GROWTH).min(LAST_POLL);
                }
            }
        }
    }

    /// What an answer leads to. What can't be read is passed over once; who
    /// finds more of it has a vandal there, and does without.
    fn judge(&mut self, answer: Answer, asked: Instant) -> Next {
        let unreadable = &mut self.ask.unreadable;
        match answer.what {
            What::Token { entry, left } => {
                match entry::open(&self.keys, &entry) {
                    Some(entry::Entry::TooBrief) => return Next::Alone,
                    Some(entry::Entry::Token(stored)) => {
                        let usable = stored.usable(answer.now, left);
                        if usable >= MIN_LEFT {
                            return Next::Done(Ok(self.take(stored, usable, asked)));
                        }
                    }
                    None => {}
                }
                pass_over(&mut unreadable.token, entry::front_of(&entry))
            }
            What::Hold { entry, left } => match refusal::open(&self.keys, &entry) {
                // More than it was when it began: the clock was set back.
                Some(refusal) if left <= refusal.hold.saturating_add(CLOCK_SLACK) => {
                    let left = left.min(refusal.hold);
                    Next::Done(Err(refusal.error.with_exact_retry_after(left)))
                }
                _ => pass_over(&mut unreadable.hold, refusal::front_of(&entry)),
            },
            What::Wait { lock } if self.keys.is_lock(&lock) => Next::Poll,
            What::Wait { lock } => pass_over(&mut unreadable.lock, &lock),
            What::Free => Next::Done(Err(too_late())),
            What::Spaced { left } => {
                self.sharing.known.put_off(self.request);
                Next::Done(Err(spaced().with_rejected_renewal_after(left)))
            }
            What::Exchange { before } => Next::Exchange(before),
        }
    }

    /// What the store says counts from when it answered, which is after `asked`.
    fn take(&self, stored: entry::Stored, usable: Duration, asked: Instant) -> Token {
        self.sharing.known.took(&stored.token, stored.id);
        let token = counted_from(self.begun, stored.token, asked, usable);
        token.with_source(Source::Shared)
    }
}

fn pass_over(unreadable: &mut Vec<u8>, front: &[u8]) -> Next {
    if !unreadable.is_empty() {
        return Next::Alone;
    }
    unreadable.extend_from_slice(front);
    Next::Ask
}

/// Without the store: who could not take the lock must not publish either.
async fn alone(exchange: Exchange, begun: Instant) -> Result<Token, Error> {
    let (token, started) = exchange.await?;
    Ok(minted(begun, token, started))
}

fn minted(begun: Instant, token: Token, started: Instant) -> Token {
    let usable = usable_for(token.lifetime());
    counted_from(begun, token, started, usable)
}

/// The token, which is `usable` from an instant on, with a lifetime that counts
/// from the beginning. The margin is subtracted from what it had when it was new,
/// not once more from what is left.
fn counted_from(begun: Instant, token: Token, from: Instant, usable: Duration) -> Token {
    let waited = from.saturating_duration_since(begun);
    token.with_lifetime(lifetime_for(usable.saturating_add(waited)))
}

/// Of a fetch that began then.
pub(super) fn deadline(begun: Instant) -> Instant {
    after(begun, BUDGET)
}

fn after(at: Instant, span: Duration) -> Instant {
    at.checked_add(span).unwrap_or(at)
}

fn waited_in_vain() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "another process of the fleet exchanges the credentials, and brought no token within \
         the deadline: check that the token endpoint answers in time",
    )
    .with_exact_retry_after(Duration::from_secs(1))
}

/// Nothing failed: whoever asks again has all the time for an exchange.
fn too_late() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the process of the fleet that exchanged the credentials is gone, \
         and there was no time left to exchange them here: try again",
    )
    .with_exact_retry_after(Duration::ZERO)
}

fn spaced() -> Error {
    Error::new(
        ErrorKind::InvalidToken,
        "the API rejects tokens of this fleet so often that their renewal is spaced: \
         check whether it denies some requests for another reason",
    )
    .transient(true)
}

/// In all: at the cache's own deadline, half a second later, a fetch is dropped
/// and could tell nobody how it ended.
const BUDGET: Duration = Duration::from_millis(9500);

/// Whoever has less left leaves the exchange to others.
const MIN_EXCHANGE: Duration = Duration::from_secs(5);

/// For one answer of the store, with connecting and a second try. With half a
/// second, two thousand processes that start at once would give up on it.
const PATIENCE: Duration = Duration::from_secs(2);

/// For taking the outcome, where the lock was slow to come.
const MIN_PATIENCE: Duration = Duration::from_millis(500);

const FIRST_POLL: Duration = Duration::from_millis(50);
const LAST_POLL: Duration = Duration::from_millis(500);
const POLL_GROWTH: f64 = 1.5;

/// A clock that is set back by less is put up with.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

const NO_CRYPTOGRAPHY: &str = "there is nothing to seal tokens with: \
     enable the feature aws-lc-rs or ring of fiskil-auth";
