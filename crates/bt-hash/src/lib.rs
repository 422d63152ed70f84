//! SHA-1 and SHA-256 of many BitTorrent pieces at once.
