use std::net::{IpAddr, SocketAddr};

use bt_types::{ConnId, Direction, PeerId, PieceIndex};

use crate::{BanReason, DisconnectReason, FailedJob};

/// What became true: for the log, the statistics and the user. Nothing depends on it being read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected.
    PeerConnected {
        /// The new connection.
        conn: ConnId,
        /// Its address.
        peer: SocketAddr,
        /// Who opened it.
        direction: Direction,
        /// What it calls itself.
        peer_id: PeerId,
    },
    /// A peer has told where its DHT node is (BEP 5); once a connection at most, and only if we
    /// have told ours ([`Config::dht_port`](crate::Config::dht_port)). Anybody can name any port:
    /// a node that does not answer is none.
    DhtNode {
        /// The peer's address, with that port.
        node: SocketAddr,
    },
    /// A connection is gone.
    PeerDisconnected {
        /// The connection.
        conn: ConnId,
        /// Its address.
        peer: SocketAddr,
        /// Why we closed it, or `None` if the peer or the network did.
        reason: Option<DisconnectReason>,
    },
    /// A peer could not be reached.
    DialFailed {
        /// Its address.
        peer: SocketAddr,
        /// How often in a row.
        failures: u32,
    },
    /// A piece is complete, good and written.
    PieceVerified(PieceIndex),
    /// A piece failed its hash and will be fetched again.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
        /// Who sent its blocks.
        contributors: Vec<SocketAddr>,
    },
    /// A piece that was good is gone from the disk. It will be fetched again, or waited for if we
    /// only serve ([`Config::only_serves`](crate::Config::only_serves)).
    PieceLost(PieceIndex),
    /// A piece that was lost is there again, and good.
    PieceFound(PieceIndex),
    /// A peer has sent bad data, and will not be talked to again: not by this torrent, nor by
    /// others if they are told ([`Swarm::set_bans`](crate::Swarm::set_bans)). Once for each.
    PeerBanned {
        /// Its address.
        peer: SocketAddr,
        /// What gave it away.
        reason: BanReason,
        /// Others should be told. Not by a hybrid torrent: its maker may have given it v1 hashes
        /// and v2 hashes of different data, so that who is honest by one is a liar by the other.
        concerns_others: bool,
    },
    /// A copy of the metadata was not what the info hash stands for. It is fetched again.
    MetadataFailed {
        /// Who sent its blocks.
        contributors: Vec<SocketAddr>,
    },
    /// What came as metadata is what one of the torrent's two info hashes stands for, but not what
    /// the other does: they are of different torrents, and there is no metadata that fits. Once.
    IdsContradict,
    /// Everything that is wanted is verified: every piece, unless a
    /// [selection](crate::Swarm::set_selection) leaves out some. Each time that this becomes true.
    Completed,
    /// Others have every piece, so that we need not hide any more what we have (BEP 16). Once.
    SuperSeedingEnded,
    /// The disk refused. Nothing is requested until [`DiskRecovered`](Self::DiskRecovered): what was
    /// refused is tried again, by and by.
    DiskFailed(FailedJob),
    /// All that the disk has refused is done.
    DiskRecovered,
    /// A peer says that this is our address (BEP 10, `yourip`): one vote.
    ExternalAddress(IpAddr),
}
