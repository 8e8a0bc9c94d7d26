//! A token service that answers with a plain string.
//~ expected `Result<Token, _>`, found `Result<String,
//~ required by a bound in `FiskilAuthLayer::with_token_service`

use fiskil_auth::{Credentials, FiskilAuthLayer, TokenRequest};
use tower::service_fn;

fn main() {
    let tokens = service_fn(async |_: TokenRequest| Ok::<_, std::io::Error>("token".to_owned()));
    FiskilAuthLayer::with_token_service(Credentials::new("id", "secret"), tokens);
}
