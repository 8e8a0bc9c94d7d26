//! No secret and no token in anything that can be printed or is logged.
//!
//! Guarantee 12 (no secret in any text).
//!
//! Mutations caught: `Debug` derived for `Credentials`, `Token`, `Pair`,
//! `SandboxBody` or the sandbox's state; a header that is not marked sensitive;
//! `message`, the parser's error or the received body in an error; an id or a name
//! that is not searched; a panic's payload in an error; the first characters of a
//! token in `Debug`; a public type that is not printed.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod canary;
mod exchanges;
mod log;
#[path = "../support/mod.rs"]
mod support;
mod surface;
mod sweep;
mod table;

/// A secret and a token. All of their characters may be in an error's id: if one
/// is withheld, it is not for those.
const SECRET: &str = "Q:.z7Qw2Xr9Tb4Vn8Lm1Hj6Pd3Gs5Fc0Ya";
const TOKEN: &str = "u.:xR8oW1cM6zA5kI0yN7vB2tD9jS4hG";
