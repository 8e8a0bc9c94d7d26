//! The scenarios of a token's life, over a shared store.

use tower::Layer;

use crate::FiskilAuthLayer;
use crate::cache::scenarios::layer::{Exchange, credentials, every_scenario_but};
use crate::shared_tokens::SharedTokens;
use crate::shared_tokens::memory::MemoryStore;

#[test]
fn every_scenario_holds_over_a_shared_store_but_where_a_fleet_differs() {
    every_scenario_but(&DIFFERENT, |exchange: Exchange| {
        let tokens = SharedTokens::over(MemoryStore::new()).layer(exchange);
        FiskilAuthLayer::with_token_service(credentials(), tokens)
    });
}

/// What a fleet does instead has tests of its own, in the files named here.
const DIFFERENT: [&str; 7] = [
    // An exchange is given up after 9.5 s, so that the fleet can be told: `outage`.
    "a long-lived token is used until ten seconds before its end",
    "the lifetime counts from the start of the exchange",
    "a fetch that hangs is given up after ten seconds",
    // The budget is the fleet's, which is told of a rejection a second later and knows
    // of no suspicion that has been cleared: `rejections`.
    "a fourth time it is renewed once it has been suspect for a second",
    "an API that rejects everything costs a renewal after 1, 2, 4, 8, 16, 24 s",
    // It leaves a lock for a lease: `crash`.
    "a renewal that is lost pauses those in the background for a second",
    // The clock that counts is the store's, which was not suspended here: `faults`.
    "a machine that was suspended finds its token expired",
];
