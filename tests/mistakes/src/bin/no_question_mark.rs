//! `new(Credentials::from_env())` without `?`.
//~ does not provide Fiskil credentials
//~ `Credentials::from_env()` returns a `Result`: add a `?`

use fiskil_auth::{Credentials, FiskilAuthLayer};

fn main() {
    FiskilAuthLayer::new(Credentials::from_env());
}
