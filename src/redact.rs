//! Whether a text gives away a secret.

use zeroize::Zeroizing;

/// Whether the text has a piece of one of the secrets in it: eight characters
/// in a row, or all of a shorter secret; as it is, percent-encoded (RFC 3986,
/// section 2.1), in base64 (RFC 4648, sections 4 and 5, also as a part of
/// something longer), in hex, or byte by byte as `Debug` writes a `Vec<u8>`.
/// Empty secrets are passed over.
pub(crate) fn reveals(text: &str, secrets: &[&str]) -> bool {
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
    secrets.iter().any(|secret| {
        let secret = secret.as_bytes();
        plain.iter().any(|text| text.shares_a_piece(secret))
            || unescaped.shares_a_piece(&without_backslashes(secret))
            || (0..3).any(|offset| base64.shares_a_piece(&base64_at(offset, secret)))
    })
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

fn without_backslashes(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let others = text.iter().copied().filter(|byte| *byte != b'\\');
    Zeroizing::new(others.collect())
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match tail {
            [high, low, after @ ..] if first == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (first, tail),
            },
            _ => (first, tail),
        };
        decoded.push(byte);
        rest = after;
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

/// The numbers in the text, as bytes; 0 for one that is no byte.
fn numbers(text: &str) -> Vec<u8> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or_default())
        .collect()
}

/// What the text is in hex, from its first character on or its second; 0 for
/// what is no hex.
fn hex_decoded(text: &str, offset: usize) -> Vec<u8> {
    let pairs = text.as_bytes().get(offset..).unwrap_or_default().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => hex(*high)
                .zip(hex(*low))
                .map_or(0, |(high, low)| high << 4 | low),
            _ => 0,
        })
        .collect()
}

/// The URL-safe alphabet differs from the standard one in two characters.
fn in_standard_alphabet(text: &[u8]) -> Vec<u8> {
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    text.iter().map(standard).collect()
}

/// The characters that the secret alone decides where it follows `offset`
/// bytes, modulo three, in something that is base64.
fn base64_at(offset: usize, secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; offset]);
    bytes.reserve_exact(secret.len());
    bytes.extend_from_slice(secret);

    let mut characters = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_mul(2)));
    let (mut bits, mut pending): (u32, u32) = (0, 0);
    for byte in bytes.iter() {
        bits = (bits << 8 | u32::from(*byte)) & 0x3fff;
        pending = pending.saturating_add(8);
        while pending >= 6 {
            pending = pending.saturating_sub(6);
            let index = usize::try_from(bits >> pending & 0x3f).unwrap_or_default();
            characters.extend(ALPHABET.get(index));
        }
    }
    // The bytes before it have a share in these.
    let foreign = offset.saturating_mul(8).div_ceil(6).min(characters.len());
    characters.drain(..foreign);
    characters
}

/// Long enough not to occur by chance, too short to be of use.
const PIECE: usize = 8;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

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
