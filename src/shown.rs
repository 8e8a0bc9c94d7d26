//! What somebody else chose, a URI or a path, in a message: not endless.

use std::fmt::Display;

pub(crate) fn shown(text: impl Display) -> String {
    let mut text = text.to_string();
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Characters: more than any that a person can use.
const LONGEST: usize = 512;
