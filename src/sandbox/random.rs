//! Texts that nobody can guess.

use std::iter::repeat_with;

/// Letters and digits.
pub(super) fn random_text(length: usize) -> String {
    repeat_with(fastrand::alphanumeric).take(length).collect()
}

/// A random UUID of version 4.
pub(super) fn uuid() -> String {
    let variant = fastrand::u16(0x8000..0xc000);
    format!(
        "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
        fastrand::u32(..),
        fastrand::u16(..),
        fastrand::u16(..0x1000),
        fastrand::u64(..0x1_0000_0000_0000),
    )
}
