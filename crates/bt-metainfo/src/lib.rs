//! .torrent files: read and check v1, hybrid and v2 torrents, with file names that are safe to write.
