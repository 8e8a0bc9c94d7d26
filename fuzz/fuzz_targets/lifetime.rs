//! See `tests/corpus/lifetime.rs`.
#![no_main]

#[path = "../../tests/corpus/lifetime.rs"]
mod lifetime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| lifetime::check(data));
