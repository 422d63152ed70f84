//! Which block from which peer, whom to unchoke: BitTorrent scheduling as pure, seeded decisions.
