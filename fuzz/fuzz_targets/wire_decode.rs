#![no_main]
//! Shim: the body is `bt_fuzz::wire_decode`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::wire_decode::run(data));
