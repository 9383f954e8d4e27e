#![no_main]

#[path = "../../tests/fuzz/rpm.rs"]
mod check;
#[path = "../../tests/fuzz/held.rs"]
mod held;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
