#![no_main]
//! Shim: the body is `bt_fuzz::bencoding_decode`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::bencoding_decode::run(data));
