#![no_main]
//! Shim: the body is `bt_fuzz::storage_resume`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::storage_resume::run(data));
