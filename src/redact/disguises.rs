//! The disguises in which a text may have a secret in it, undone.

use zeroize::Zeroizing;

pub(super) fn without_backslashes(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let others = text.iter().copied().filter(|byte| *byte != b'\\');
    Zeroizing::new(others.collect())
}

pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
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
pub(super) fn numbers(text: &str) -> Vec<u8> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or_default())
        .collect()
}

/// What the text is in hex, from its first character on or its second; 0 for
/// what is no hex.
pub(super) fn hex_decoded(text: &str, offset: usize) -> Vec<u8> {
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
pub(super) fn in_standard_alphabet(text: &[u8]) -> Vec<u8> {
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    text.iter().map(standard).collect()
}

/// The characters that the secret alone decides where it follows `offset`
/// bytes, modulo three, in something that is base64.
pub(super) fn base64_at(offset: usize, secret: &[u8]) -> Zeroizing<Vec<u8>> {
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

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
