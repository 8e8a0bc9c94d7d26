//! The secrets and tokens that a cache has used lately: what no error may quote.

use std::collections::VecDeque;

use http::HeaderValue;

use crate::redact::Secrets;
use crate::{Credentials, Token};

/// The latest pairs and tokens, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentSecrets {
    pairs: VecDeque<Credentials>,
    tokens: VecDeque<Token>,
}

impl RecentSecrets {
    pub(super) fn note_pair(&mut self, pair: &Credentials) {
        note(&mut self.pairs, pair, Credentials::is_same_pair);
    }

    pub(super) fn note_token(&mut self, token: &Token) {
        note(&mut self.tokens, token, Token::is_same_value);
    }

    /// Whether this is the header value of one of the tokens.
    pub(super) fn has_token(&self, value: &HeaderValue) -> bool {
        self.tokens
            .iter()
            .any(|token| token.header_value() == value)
    }

    /// Together with others.
    pub(super) fn and<'a>(&'a self, secrets: Secrets<'a>) -> Secrets<'a> {
        secrets
            .and(self.pairs.iter().map(Credentials::expose_secret))
            .and(self.tokens.iter().map(Token::value))
    }
}

fn note<T: Clone>(kept: &mut VecDeque<T>, one: &T, same: fn(&T, &T) -> bool) {
    kept.retain(|other| !same(other, one));
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back(one.clone());
}

/// What is in use, and what was before: an answer to an exchange that was
/// overtaken by a rotation or a renewal may still quote that.
const KEPT: usize = 2;
