#![no_main]

#[path = "../../tests/fuzz/read.rs"]
mod check;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
