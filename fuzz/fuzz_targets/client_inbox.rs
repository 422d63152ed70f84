#![no_main]
//! Shim: the body is `bt_fuzz::client_inbox`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::client_inbox::run(data));
