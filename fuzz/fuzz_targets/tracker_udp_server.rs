#![no_main]
//! Shim: the body is `bt_fuzz::tracker_udp_server`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::tracker_udp_server::run(data));
