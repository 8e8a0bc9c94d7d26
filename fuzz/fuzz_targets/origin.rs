//! See `tests/corpus/origin.rs`.
#![no_main]

#[path = "../../tests/corpus/origin.rs"]
mod origin;

libfuzzer_sys::fuzz_target!(|data: &[u8]| origin::check(data));
