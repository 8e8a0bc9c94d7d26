//! Variables of the environment, and what can be wrong with any of them.

use std::env::{self, VarError};

use zeroize::Zeroizing;

/// A variable's value, or what is wrong with it, which never shows the value.
/// `None` where it is not set.
pub(crate) fn variable(name: &str) -> Result<Option<Zeroizing<String>>, String> {
    match env::var(name) {
        Ok(value) => {
            let value = Zeroizing::new(value);
            match find_problem(&value) {
                None => Ok(Some(value)),
                Some(problem) => Err(format!("{name} {problem}")),
            }
        }
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not Unicode")),
    }
}

/// What no value from outside should be: it is a mistake in a file or a script.
pub(crate) fn find_problem(value: &str) -> Option<&'static str> {
    if value.is_empty() {
        Some("is empty")
    } else if value.chars().any(char::is_control) {
        Some("has a control character in it (a newline at its end?)")
    } else {
        None
    }
}
