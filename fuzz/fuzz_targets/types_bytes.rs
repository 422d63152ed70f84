#![no_main]
//! Shim: the body is `bt_fuzz::types_bytes`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::types_bytes::run(data));
