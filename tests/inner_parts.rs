//! The inner service can be looked at, changed and taken back, as with
//! tower-http's middleware.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Tokens, layer};
use tower::Layer;

#[test]
fn the_inner_service_is_within_reach() {
    let mut service = layer(&Tokens::new()).layer("inner");
    assert_eq!(*service.get_ref(), "inner");
    *service.get_mut() = "another";
    assert_eq!(service.into_inner(), "another");
}
