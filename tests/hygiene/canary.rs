//! Secrets that must not turn up anywhere, and the search for them. It shares
//! no code with the crate's own.

use std::collections::HashSet;

/// Eight characters in a row of a secret, in any form, are a leak.
const PIECE: usize = 8;

/// And so are its first four: not even a prefix is to be shown.
const PREFIX: usize = 4;

/// Secrets and tokens to look for.
#[derive(Clone)]
pub(crate) struct Canaries {
    prefixes: Vec<[u8; PREFIX]>,
    pieces: HashSet<[u8; PIECE]>,
    /// Their first bytes, to skip most of a text quickly.
    starts: [bool; 256],
}

impl Canaries {
    /// Secrets that a test has chosen, which start like nothing else.
    pub(crate) fn new<const N: usize>(chosen: [&str; N]) -> Self {
        let none = Self {
            prefixes: Vec::new(),
            pieces: HashSet::new(),
            starts: [false; 256],
        };
        let prefixes = chosen.map(|secret| {
            let prefix: [u8; PREFIX] = secret.as_bytes()[..PREFIX].try_into().unwrap();
            // Neither base64 nor hex nor a word has these.
            assert!([*b":.", *b".:"].contains(&[prefix[1], prefix[2]]));
            prefix
        });
        Self {
            prefixes: prefixes.to_vec(),
            ..none.and_generated(chosen)
        }
    }

    /// And secrets that were generated, which may start like anything.
    pub(crate) fn and_generated<S: AsRef<str>>(
        mut self,
        secrets: impl IntoIterator<Item = S>,
    ) -> Self {
        let pieces = &mut self.pieces;
        for secret in secrets {
            let secret = secret.as_ref().as_bytes();
            assert!(secret.len() >= 16, "too short to be told from chance");
            pieces.extend(secret.windows(PIECE).map(piece));
            for skipped in 0..3 {
                // Base64 encodes three bytes at a time, so what precedes the secret
                // decides where the groups begin.
                let encoded = base64(&secret[skipped..]);
                let whole = secret[skipped..].len() / 3 * 4;
                pieces.extend(encoded[..whole].windows(PIECE).map(piece));
            }
        }
        for piece in &self.pieces {
            self.starts[usize::from(piece[0])] = true;
        }
        self
    }

    /// The first piece of a secret in the text, if there is one.
    pub(crate) fn find(&self, text: &str) -> Option<String> {
        let unescaped = percent_decode(text);
        let standard: Vec<u8> = unescaped.iter().map(|byte| standard(*byte)).collect();
        let starts = |window: &&[u8]| self.starts[usize::from(window[0])];
        let prefixes = [text.as_bytes(), &unescaped]
            .into_iter()
            .flat_map(|form| form.windows(PREFIX))
            .filter(starts)
            .filter(|window| self.prefixes.iter().any(|prefix| prefix == window));
        let pieces = [text.as_bytes(), &unescaped, &standard]
            .into_iter()
            .flat_map(|form| form.windows(PIECE))
            .filter(starts)
            .filter(|window| self.pieces.contains(&piece(window)));
        pieces
            .chain(prefixes)
            .next()
            .map(|found| String::from_utf8_lossy(found).into_owned())
    }

    #[track_caller]
    pub(crate) fn assert_absent(&self, what: &str, text: &str) {
        if let Some(piece) = self.find(text) {
            panic!("{what} shows {piece:?}: {text}");
        }
    }
}

fn piece(window: &[u8]) -> [u8; PIECE] {
    window.try_into().unwrap()
}

fn standard(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::new();
    for group in bytes.chunks(3) {
        let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for shift in [18, 12, 6, 0] {
            encoded.push(ALPHABET[usize::try_from(bits >> shift & 63).unwrap()]);
        }
    }
    encoded
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|value| u8::from_str_radix(value, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

#[test]
fn the_search_finds_what_is_planted_and_nothing_else() {
    let canaries = Canaries::new([]).and_generated(["Zk7Qw?Xr9Tb4/n8Lm1Hj6Pd3"]);
    for planted in [
        "x Zk7Qw?Xr x",
        "n8Lm1Hj6",
        "Qw%3fXr9Tb4%2Fn8",
        // `id:` and the secret, all of it and a part, in both alphabets.
        "aWQ6Wms3UXc/WHI5VGI0L244TG0xSGo2UGQz",
        "UXc_WHI5",
        "%5a%6b%37%51%77%3f%58%72",
    ] {
        assert!(canaries.find(planted).is_some(), "{planted}");
    }
    for harmless in [
        "",
        "Zk7Qw?X r9Tb4/n",
        "the token endpoint refused it",
        "%zz%",
    ] {
        assert_eq!(canaries.find(harmless), None);
    }
}

#[test]
fn the_first_four_characters_of_a_chosen_secret_are_found_and_no_three_or_others() {
    let canaries = Canaries::new(["Q:.z7Qw2Xr9Tb4Vn8Lm1Hj6P"]);
    for planted in ["Token(Q:.z...)", "Q%3A.z", "x%51:%2ez7Qw"] {
        assert!(canaries.find(planted).is_some(), "{planted}");
    }
    for harmless in ["Q:. z7Qw", "Q:.", ":.z7Qw2", "q:.z"] {
        assert_eq!(canaries.find(harmless), None, "{harmless}");
    }
}
