//! Whose exchange an outcome is of.

/// Where a token came from, or the failure to bring one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An exchange of this process.
    Minted,
    /// Another process of the fleet, by way of a store that both share: this one
    /// made no exchange.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "for what shares tokens")
    )]
    Shared,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Minted => "minted",
            Self::Shared => "shared",
        }
    }
}
