#![no_main]
//! Shim: the body is `bt_fuzz::dht_wire`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::dht_wire::run(data));
