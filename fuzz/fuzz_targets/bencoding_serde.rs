#![no_main]
//! Shim: the body is `bt_fuzz::bencoding_serde`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::bencoding_serde::run(data));
