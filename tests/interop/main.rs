//! Interop with real clients.
fn main() {}
