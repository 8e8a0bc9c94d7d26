//! Pages that go beyond a single item.

#[doc = include_str!("docs/order.md")]
pub mod order {}

#[doc = include_str!("docs/failure.md")]
pub mod failure {}

#[doc = include_str!("docs/requests.md")]
pub mod requests {}

#[doc = include_str!("docs/watching.md")]
pub mod watching {}
