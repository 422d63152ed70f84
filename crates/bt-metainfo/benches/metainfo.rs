//! Written with the crate.
fn main() {}
