#![no_main]
//! Shim: the body is `bt_fuzz::wire_extended`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::wire_extended::run(data));
