//! The announce schedule over BitTorrent trackers of any kind, without I/O.
