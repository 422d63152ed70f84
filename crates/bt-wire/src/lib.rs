//! The BitTorrent peer wire protocol: handshake, messages, extension messages.
