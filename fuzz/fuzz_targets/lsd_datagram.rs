#![no_main]
//! Shim: the body is `bt_fuzz::lsd_datagram`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::lsd_datagram::run(data));
