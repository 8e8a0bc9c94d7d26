//! The secrets and tokens that a cache has used lately: what no error may quote.

use std::collections::VecDeque;

use secrecy::ExposeSecret;

use crate::{Credentials, Token, redact};

/// The latest pairs and tokens, the oldest first.
#[derive(Debug, Default)]
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

    /// Whether the text gives away a secret or a token that was in use lately.
    pub(super) fn is_revealed_by(&self, text: &str) -> bool {
        let secrets = self
            .pairs
            .iter()
            .map(|pair| pair.client_secret().expose_secret());
        let tokens = self.tokens.iter().map(Token::value);
        let all: Vec<&str> = secrets.chain(tokens).collect();
        redact::reveals(text, &all)
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
