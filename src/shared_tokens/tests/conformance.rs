//! What a store must do, for each of the stores.
