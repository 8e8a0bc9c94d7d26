//! Whether a text gives away a secret.

mod disguises;

use self::disguises::{
    base64_at, hex_decoded, in_standard_alphabet, numbers, percent_decoded, without_backslashes,
};

/// What no text may give away. It borrows: no copy of a secret is made.
#[derive(Default)]
pub(crate) struct Secrets<'a> {
    values: Vec<&'a str>,
}

impl<'a> Secrets<'a> {
    /// For where no secret is known yet.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Empty ones are passed over.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = &'a str>) -> Self {
        let others = others.into_iter().filter(|value| !value.is_empty());
        self.values.extend(others);
        self
    }

    /// Whether the text has a piece of one of them in it: eight characters in a
    /// row, or all of a shorter one; as it is, percent-encoded (RFC 3986, section
    /// 2.1), in base64 (RFC 4648, sections 4 and 5, also as a part of something
    /// longer), in hex, or byte by byte as `Debug` writes a `Vec<u8>`.
    pub(crate) fn is_revealed_by(&self, text: &str) -> bool {
        if self.values.is_empty() {
            return false;
        }
        let decoded = percent_decoded(text);
        // As `Debug` and JSON write quotes and backslashes.
        let unescaped = Text::new(&without_backslashes(text.as_bytes()));
        let base64 = Text::new(&in_standard_alphabet(&decoded));
        let plain = [
            Text::new(text.as_bytes()),
            Text::new(&decoded),
            Text::new(&numbers(text)),
            Text::new(&hex_decoded(text, 0)),
            Text::new(&hex_decoded(text, 1)),
        ];
        self.values.iter().any(|secret| {
            let secret = secret.as_bytes();
            plain.iter().any(|text| text.shares_a_piece(secret))
                || unescaped.shares_a_piece(&without_backslashes(secret))
                || (0..3).any(|offset| base64.shares_a_piece(&base64_at(offset, secret)))
        })
    }
}

/// A text that is searched, with all its pieces in order.
struct Text {
    bytes: Vec<u8>,
    pieces: Vec<[u8; PIECE]>,
}

impl Text {
    fn new(bytes: &[u8]) -> Self {
        let pieces = bytes.windows(PIECE);
        let mut pieces: Vec<_> = pieces.filter_map(|piece| piece.try_into().ok()).collect();
        pieces.sort_unstable();
        Self {
            bytes: bytes.to_vec(),
            pieces,
        }
    }

    fn shares_a_piece(&self, secret: &[u8]) -> bool {
        if secret.len() < PIECE {
            let mut pieces = self.bytes.windows(secret.len().max(1));
            return pieces.any(|piece| piece == secret);
        }
        let mut pieces = secret.windows(PIECE);
        pieces.any(|piece| {
            self.pieces
                .binary_search_by(|own| own[..].cmp(piece))
                .is_ok()
        })
    }
}

/// Long enough not to occur by chance, too short to be of use.
const PIECE: usize = 8;

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn reveals(text: &str, secrets: &[&str]) -> bool {
        Secrets::none()
            .and(secrets.iter().copied())
            .is_revealed_by(text)
    }

    const SECRET: &str = "sk_Zm9v/Yg==?&~qT7x-91";

    #[test]
    fn eight_characters_in_a_row_reveal_a_secret() {
        assert!(reveals("x Zm9v/Yg= x", &[SECRET]));
        assert!(!reveals("x Zm9v/Yg x", &[SECRET]));
        assert!(reveals(SECRET, &["other-secret", SECRET]));
    }

    #[test]
    fn a_short_secret_is_revealed_as_a_whole_only() {
        assert!(reveals("it is hush!", &["hush"]));
        assert!(!reveals("it is hus", &["hush"]));
    }

    #[test]
    fn an_empty_secret_or_text_reveals_nothing() {
        assert!(!reveals("anything", &[""]));
        assert!(!reveals("anything", &[]));
        assert!(!reveals("", &[SECRET]));
    }

    #[test]
    fn quoting_hides_nothing() {
        let secret = r#"pa"ss\wo"rd"#;
        assert!(reveals(&format!("{secret:?}"), &[secret]));
        assert!(reveals(&format!("{:?}", format!("{secret:?}")), &[secret]));
    }

    #[test]
    fn percent_encoding_hides_nothing() {
        assert!(reveals("a=%2fYg%3D%3D%3F%26~", &[SECRET]));
        assert!(reveals("100%, %zz, %5%41b%63defgh%", &["Abcdefgh"]));
        assert!(!reveals("100%, %zz, %5%41b%63defg%", &["Abcdefgh"]));
    }

    #[test]
    fn a_list_of_bytes_hides_nothing() {
        let bytes = SECRET.as_bytes();
        assert!(reveals(&format!("{:?}", &bytes[3..11]), &[SECRET]));
        assert!(reveals(&format!("{bytes:#?}"), &[SECRET]));
        assert!(!reveals(&format!("{:?}", &bytes[3..10]), &[SECRET]));
        assert!(!reveals("1, 999, 22", &["\u{1}\u{16}"]));
    }

    #[test]
    fn hex_hides_nothing() {
        // "Zm9v/Yg=", eight characters of the secret, and seven of them.
        assert!(reveals("x5A6d39762f59673dx", &[SECRET]));
        assert!(!reveals("x5A6d39762f5967x", &[SECRET]));
    }

    #[test]
    fn base64_hides_nothing_whatever_stands_before_the_secret() {
        // Each is base64 of "sec?et>valu~" after zero, one, two and three bytes.
        for text in [
            "c2VjP2V0PnZhbHV+",
            "OnNlYz9ldD52YWx1fg==",
            "aTpzZWM/ZXQ+dmFsdX4=",
            "aWQ6c2VjP2V0PnZhbHV-",
        ] {
            assert!(reveals(text, &["sec?et>valu~"]), "{text}");
            let url_safe = text.replace('+', "-").replace('/', "_");
            assert!(reveals(&url_safe, &["sec?et>valu~"]), "{url_safe}");
            let percent = text.replace('+', "%2B").replace('/', "%2F");
            assert!(reveals(&percent, &["sec?et>valu~"]), "{percent}");
            assert!(!reveals(text, &["another secret"]), "{text}");
        }
    }

    #[test]
    fn a_part_of_base64_reveals_a_secret() {
        assert!(reveals("…Q-dmFsdX…", &["sec?et>valu~"]));
        assert!(!reveals("…-dmFsdX…", &["sec?et>valu~"]));
    }

    #[test]
    fn the_base64_of_a_short_secret_reveals_it() {
        assert!(reveals("aHVzaA==", &["hush"]));
        assert!(reveals("OmF1c2g6aHVzaA", &["hush"]));
    }
}
