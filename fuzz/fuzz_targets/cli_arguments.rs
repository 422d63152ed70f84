#![no_main]
//! Shim: the body is `bt_fuzz::cli_arguments`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::cli_arguments::run(data));
