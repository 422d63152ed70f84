#![no_main]
//! Shim: the body is `bt_fuzz::tracker_udp_client`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::tracker_udp_client::run(data));
