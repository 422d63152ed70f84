//! How a connection begins: both sides say which torrent they mean and who they are (BEP 3).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bt_types::{Direction, SwarmId};
use bt_wire::{DecodedHandshake, Handshake, HandshakeError};
use tokio::sync::OwnedSemaphorePermit;

use crate::net::{self, Stream};

/// A connection on which handshakes have been exchanged.
pub(crate) struct Established {
    pub(crate) stream: Arc<dyn Stream>,
    pub(crate) peer: SocketAddr,
    pub(crate) direction: Direction,
    /// What the peer said.
    pub(crate) theirs: Handshake,
    /// The place among the half-open connections that an inbound one keeps until the torrent has
    /// taken it over.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFailure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] HandshakeError),
    #[error("the peer is in swarm {0}")]
    OtherSwarm(SwarmId),
    #[error("no torrent here has the id {0}")]
    UnknownSwarm(SwarmId),
    #[error("no handshake in time")]
    TimedOut,
}

/// Connects to a peer and says `ours`. How long that may take is the caller's matter.
pub(crate) async fn initiate(
    peer: SocketAddr,
    source: Option<IpAddr>,
    ours: Handshake,
) -> Result<Established, HandshakeFailure> {
    let stream = net::dial(peer, source).await?;
    net::write_all(&*stream, &ours.encode()).await?;
    let mut bytes = [0; Handshake::LENGTH];
    let id = read_swarm_id(&*stream, &mut bytes).await?;
    if id != ours.swarm_id {
        return Err(HandshakeFailure::OtherSwarm(id));
    }
    let theirs = read_rest(&*stream, &mut bytes).await?;
    Ok(Established {
        stream,
        peer,
        direction: Direction::Outbound,
        theirs,
        permit: None,
    })
}

/// Answers a peer that has connected, with what `find` says for its torrent, as soon as that is
/// known.
pub(crate) async fn respond(
    stream: Arc<dyn Stream>,
    peer: SocketAddr,
    find: impl FnOnce(SwarmId) -> Option<Handshake>,
) -> Result<Established, HandshakeFailure> {
    let mut bytes = [0; Handshake::LENGTH];
    let id = read_swarm_id(&*stream, &mut bytes).await?;
    let ours = find(id).ok_or(HandshakeFailure::UnknownSwarm(id))?;
    // Of a hybrid torrent's two ids, the one that was asked for.
    let ours = Handshake {
        swarm_id: id,
        ..ours
    };
    net::write_all(&*stream, &ours.encode()).await?;
    let theirs = read_rest(&*stream, &mut bytes).await?;
    Ok(Established {
        stream,
        peer,
        direction: Direction::Inbound,
        theirs,
        permit: None,
    })
}

/// Reads what comes before the peer id. A stranger that speaks something else is noticed by its
/// first bytes and not waited for.
async fn read_swarm_id(
    stream: &dyn Stream,
    bytes: &mut [u8; Handshake::LENGTH],
) -> Result<SwarmId, HandshakeFailure> {
    for (from, to) in [(0, PROTOCOL_LENGTH), (PROTOCOL_LENGTH, PEER_ID_START)] {
        net::read_exact(stream, &mut bytes[from..to]).await?;
        if let Some(id) = Handshake::peek_swarm_id(&bytes[..to])? {
            return Ok(id);
        }
    }
    Err(HandshakeFailure::Io(io::ErrorKind::InvalidData.into()))
}

async fn read_rest(
    stream: &dyn Stream,
    bytes: &mut [u8; Handshake::LENGTH],
) -> Result<Handshake, HandshakeFailure> {
    net::read_exact(stream, &mut bytes[PEER_ID_START..]).await?;
    match Handshake::decode(bytes)? {
        DecodedHandshake::Complete { handshake, .. } => Ok(handshake),
        DecodedHandshake::Incomplete { .. } => {
            Err(HandshakeFailure::Io(io::ErrorKind::InvalidData.into()))
        }
    }
}

/// The length byte and the protocol's name.
const PROTOCOL_LENGTH: usize = 20;
/// Before it: protocol, reserved bytes, swarm id.
const PEER_ID_START: usize = 48;
