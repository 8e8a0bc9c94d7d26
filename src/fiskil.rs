//! Where Fiskil is: <https://docs.fiskil.com/data-api/api-reference/authentication>.

macro_rules! host {
    () => {
        "api.fiskil.com"
    };
}
#[cfg(feature = "client")]
macro_rules! token_path {
    () => {
        "/v1/token"
    };
}

pub(crate) const HOST: &str = host!();

/// Beneath the base URL.
#[cfg(feature = "https")]
pub(crate) const TOKEN_PATH: &str = token_path!();

#[cfg(feature = "client")]
pub(crate) const TOKEN_ENDPOINT: &str = concat!("https://", host!(), token_path!());
