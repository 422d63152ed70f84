#![no_main]
//! Shim: the body is `bt_fuzz::dht_ops`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::dht_ops::run(data));
