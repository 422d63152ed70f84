//! `bt`: a BitTorrent client for the command line.
fn main() {}
