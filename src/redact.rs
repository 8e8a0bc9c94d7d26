//! Whether a text gives away a secret.
pub(crate) fn reveals(text: &str, secret: &str) -> bool {
    text.contains(secret)
}
