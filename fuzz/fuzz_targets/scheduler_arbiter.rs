#![no_main]
//! Shim: the body is `bt_fuzz::scheduler_arbiter`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::scheduler_arbiter::run(data));
