#![no_main]
//! Shim: the body is `bt_fuzz::swarm_magnet`.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_fuzz::swarm_magnet::run(data));
