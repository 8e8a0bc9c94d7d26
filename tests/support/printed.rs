//! All that an error says, for the search for secrets in it.

use std::error::Error as _;

/// Everything that an error can be made to print, with its sources.
pub fn printed(error: &fiskil_auth::Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?} {error:#?}");
        source = error.source();
    }
    text
}
