//! Pages that go beyond a single item.

#[doc = include_str!("docs/order.md")]
pub mod order {}

#[doc = include_str!("docs/failure.md")]
pub mod failure {}

#[doc = include_str!("docs/promises.md")]
pub mod promises {}

#[doc = include_str!("docs/requests.md")]
pub mod requests {}

#[cfg(feature = "retry")]
#[doc = include_str!("docs/reqwest.md")]
pub mod reqwest {}

#[doc = include_str!("docs/watching.md")]
pub mod watching {}

#[cfg(feature = "redis")]
#[doc = include_str!("docs/fleet.md")]
pub mod fleet {}
