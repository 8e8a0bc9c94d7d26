//! No secret and no token in anything that can be printed or is logged.
//!
//! Breaks of the source that these tests catch: `Debug` derived for
//! `Credentials`, `Token`, `Pair`, `SandboxBody` or the sandbox's state; a header
//! that is not marked sensitive; `message`, the parser's error or the received
//! body in an error; an id or a name that is not searched; a panic's payload in
//! an error; the first characters of a token in `Debug`; a public type that is not
//! printed.
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
#[path = "../support/printed.rs"]
mod printed;
mod surface;
mod sweep;
mod table;

use printed::printed;

/// A secret and a token. Of characters that an error's id may have, so that it is
/// not for those that one is withheld.
const SECRET: &str = "Q:.z7Qw2Xr9Tb4Vn8Lm1Hj6Pd3Gs5Fc0Ya";
const TOKEN: &str = "u.:xR8oW1cM6zA5kI0yN7vB2tD9jS4hG";
