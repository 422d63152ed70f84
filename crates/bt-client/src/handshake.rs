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
    /// The place in the torrent's mailbox that an inbound one keeps until it is taken over.
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

#[cfg(test)]
mod tests {
    use bt_types::PeerId;
    use bt_wire::Reserved;

    use super::*;
    use crate::net::testing::{Pipe, pipe};

    const IDS: [SwarmId; 2] = [SwarmId([1; 20]), SwarmId([2; 20])];

    fn handshake(swarm_id: SwarmId, name: u8) -> Handshake {
        Handshake {
            reserved: Reserved::NONE.with_fast(),
            swarm_id,
            peer_id: PeerId([name; 20]),
        }
    }

    /// Answers for a torrent that is known by two ids, the first being its primary one.
    async fn answer(stream: Pipe) -> Result<Established, HandshakeFailure> {
        let peer = "192.0.2.1:1".parse().unwrap();
        let find = |id| IDS.contains(&id).then(|| handshake(IDS[0], b'b'));
        respond(Arc::new(stream), peer, find).await
    }

    async fn read(stream: &Pipe) -> Handshake {
        let mut bytes = [0; Handshake::LENGTH];
        net::read_exact(stream, &mut bytes).await.unwrap();
        match Handshake::decode(&bytes).unwrap() {
            DecodedHandshake::Complete { handshake, .. } => handshake,
            DecodedHandshake::Incomplete { .. } => unreachable!("68 bytes are a handshake"),
        }
    }

    #[tokio::test]
    async fn the_answer_comes_after_48_bytes_and_names_the_swarm_that_was_asked_for() {
        let (ours, theirs) = pipe(1000);
        let task = tokio::spawn(answer(ours));
        let asked = handshake(IDS[1], b'a').encode();
        net::write_all(&theirs, &asked[..48]).await.unwrap();
        assert_eq!(read(&theirs).await, handshake(IDS[1], b'b'));
        net::write_all(&theirs, &asked[48..]).await.unwrap();
        let established = task.await.unwrap().ok().unwrap();
        assert_eq!(established.theirs, handshake(IDS[1], b'a'));
    }

    #[tokio::test]
    async fn a_swarm_that_nobody_knows_gets_no_answer() {
        let (ours, theirs) = pipe(1000);
        let unknown = SwarmId([9; 20]);
        net::write_all(&theirs, &handshake(unknown, b'a').encode())
            .await
            .unwrap();
        let failure = answer(ours).await.err().unwrap();
        assert!(matches!(failure, HandshakeFailure::UnknownSwarm(id) if id == unknown));
        let nothing = net::read_exact(&theirs, &mut [0]).await.unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn another_protocol_is_noticed_before_a_handshake_is_complete() {
        let (ours, theirs) = pipe(1000);
        net::write_all(&theirs, b"GET / HTTP/1.1\r\n\r\n..")
            .await
            .unwrap();
        let failure = answer(ours).await.err().unwrap();
        assert!(
            matches!(failure, HandshakeFailure::Malformed(_)),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn a_peer_that_leaves_half_way_is_a_failure() {
        let (ours, theirs) = pipe(1000);
        net::write_all(&theirs, &handshake(IDS[0], b'a').encode()[..60])
            .await
            .unwrap();
        drop(theirs);
        assert!(matches!(
            answer(ours).await.err().unwrap(),
            HandshakeFailure::Io(_)
        ));
    }
}
