use std::net::SocketAddr;

use bt_types::{ConnId, Direction, PeerId};

/// The figures of one torrent at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Pieces that are on disk and good.
    pub pieces_verified: u32,
    /// All pieces; 0 while the metadata is unknown.
    pub piece_count: u32,
    /// Bytes of files in verified pieces, padding not counted.
    pub bytes_verified: u64,
    /// Bytes of all files, padding not counted; 0 while the metadata is unknown.
    pub bytes_total: u64,
    /// Bytes of wanted files in verified pieces, padding not counted.
    pub wanted_bytes_verified: u64,
    /// Bytes of all wanted files, padding not counted; 0 while the metadata is unknown.
    pub wanted_bytes_total: u64,
    /// Payload bytes received, whether useful or not.
    pub downloaded: u64,
    /// Payload bytes sent.
    pub uploaded: u64,
    /// Payload bytes received in vain: duplicates, pieces that failed their hash, and parts of
    /// pieces that ceased to be wanted.
    pub wasted: u64,
    /// Payload bytes received per second, smoothed.
    pub download_rate_bytes_per_sec: u64,
    /// Payload bytes sent per second, smoothed.
    pub upload_rate_bytes_per_sec: u64,
    /// Peers with whom handshakes have been exchanged.
    pub peers_connected: usize,
    /// Addresses that may be dialled, connected ones included.
    pub peers_known: usize,
    /// Dials under way.
    pub dials_in_flight: usize,
    /// Payload bytes in memory, and bytes of blocks for which memory is reserved.
    pub memory_bytes: usize,
}

/// One connected peer, to be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PeerInfo<'a> {
    /// The connection.
    pub conn: ConnId,
    /// The address at the other end.
    pub addr: SocketAddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// What it calls itself in the handshake.
    pub peer_id: PeerId,
    /// What it calls itself in words (BEP 10, `v`). Untrusted text.
    pub client_name: Option<&'a str>,
    /// We do not answer its requests.
    pub am_choking: bool,
    /// It has something that we want.
    pub am_interested: bool,
    /// It does not answer our requests.
    pub peer_choking: bool,
    /// We have something that it wants.
    pub peer_interested: bool,
    /// Pieces that it has.
    pub pieces: u32,
    /// Payload bytes received from it.
    pub downloaded: u64,
    /// Payload bytes sent to it.
    pub uploaded: u64,
    /// Payload bytes received from it per second, smoothed.
    pub download_rate_bytes_per_sec: u64,
    /// Payload bytes sent to it per second, smoothed.
    pub upload_rate_bytes_per_sec: u64,
    /// Blocks asked of it and not yet received.
    pub requests_outstanding: usize,
}
