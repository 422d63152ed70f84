use std::fmt;

/// Names one connection to a peer within one torrent. Never used again after the connection has
/// closed, so that a late message about it cannot hit another.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn {}", self.0)
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// We did.
    Outbound,
    /// The peer did.
    Inbound,
}

/// What carries the bytes of a peer connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Transport {
    /// TCP (BEP 3).
    Tcp,
    /// uTP (BEP 29).
    Utp,
    /// A WebRTC data channel (WebTorrent).
    WebRtc,
}

/// Whether a connection hides its protocol (message stream encryption).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Encryption {
    /// The plain handshake of BEP 3.
    Plaintext,
    /// Message stream encryption, RC4 or plaintext payload as the two sides agree.
    Mse,
}

/// How we came to know of a peer. In the order in which we trust them, best first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PeerSource {
    /// The user named it.
    User,
    /// A tracker did.
    Tracker,
    /// It announced itself in the local network (BEP 14).
    Lsd,
    /// The DHT knew it (BEP 5).
    Dht,
    /// Another peer told us (BEP 11).
    Pex,
    /// It connected to us.
    Incoming,
    /// We knew it in an earlier run.
    Resume,
}

/// The bytes of a block, as far as protocol logic cares: how many there are.
///
/// The client's payload is a pooled buffer that is moved and never copied; the simulator's is a
/// length and a tag that stands for the digest. Logic that is generic over it runs in both.
pub trait Payload {
    /// The number of bytes.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Payload for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
}
