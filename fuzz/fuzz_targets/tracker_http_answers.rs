#![no_main]
//! Shim: the body is `bt_fuzz::tracker_http_answers`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::tracker_http_answers::run(data));
