#![no_main]
//! Shim: the body is `bt_fuzz::sim_network`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::sim_network::run(data));
