#![no_main]
//! Shim: the body is `bt_fuzz::tracker_schedule_ops`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::tracker_schedule_ops::run(data));
