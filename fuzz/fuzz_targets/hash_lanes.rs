#![no_main]
//! Shim: the body is `bt_fuzz::hash_lanes`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::hash_lanes::run(data));
