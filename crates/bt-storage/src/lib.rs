//! BitTorrent pieces in files: positional I/O, verification on all cores, safe paths.
