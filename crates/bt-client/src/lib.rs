//! A BitTorrent client as a library: sessions and torrents on tokio.
