//! Pages that go beyond a single item.

#[doc = include_str!("docs/order.md")]
pub mod order {}

#[doc = include_str!("docs/failure.md")]
pub mod failure {}

#[doc = include_str!("docs/promises.md")]
pub mod promises {}

#[doc = include_str!("docs/requests.md")]
pub mod requests {}

#[cfg(feature = "https")]
#[doc = include_str!("docs/reqwest.md")]
pub mod reqwest {}

#[cfg(feature = "https")]
#[doc = include_str!("docs/proxies.md")]
pub mod proxies {}

#[doc = include_str!("docs/secrets.md")]
pub mod secrets {}

#[cfg(feature = "https")]
#[doc = include_str!("docs/tenants.md")]
pub mod tenants {}

#[doc = include_str!("docs/deploying.md")]
pub mod deploying {}

#[doc = include_str!("docs/watching.md")]
pub mod watching {}

#[cfg(feature = "redis")]
#[doc = include_str!("docs/fleet.md")]
pub mod fleet {}
