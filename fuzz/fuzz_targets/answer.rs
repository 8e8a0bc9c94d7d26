//! See `tests/corpus/answer.rs`.
#![no_main]

#[path = "../../tests/corpus/answer.rs"]
mod answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| answer::check(data));
