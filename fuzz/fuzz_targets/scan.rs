#![no_main]

#[path = "../../tests/fuzz/scan.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
