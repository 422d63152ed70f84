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

impl Transport {
    /// In a word, for people and machines: `tcp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Utp => "utp",
            Self::WebRtc => "webrtc",
        }
    }
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

impl PeerSource {
    /// All of them, best first.
    pub const ALL: [Self; 7] = [
        Self::User,
        Self::Tracker,
        Self::Lsd,
        Self::Dht,
        Self::Pex,
        Self::Incoming,
        Self::Resume,
    ];

    /// In a word, for people and machines: `tracker`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tracker => "tracker",
            Self::Lsd => "lsd",
            Self::Dht => "dht",
            Self::Pex => "pex",
            Self::Incoming => "incoming",
            Self::Resume => "resume",
        }
    }
}

/// All that have told us of a peer.
///
/// ```
/// use bt_types::{PeerSource, PeerSources};
/// let mut sources = PeerSources::from(PeerSource::Pex);
/// assert!(sources.insert(PeerSource::Tracker) && !sources.insert(PeerSource::Pex));
/// assert_eq!(sources.best(), Some(PeerSource::Tracker));
/// let names: Vec<_> = sources.iter().map(PeerSource::name).collect();
/// assert_eq!(names, ["tracker", "pex"]);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct PeerSources(u8);

impl PeerSources {
    /// Nobody.
    pub const NONE: Self = Self(0);

    /// Adds one; returns whether it is news.
    pub fn insert(&mut self, source: PeerSource) -> bool {
        let bit = 1 << source as u8;
        let is_news = self.0 & bit == 0;
        self.0 |= bit;
        is_news
    }

    /// Whether this one has.
    #[must_use]
    pub const fn contains(self, source: PeerSource) -> bool {
        self.0 & (1 << source as u8) != 0
    }

    /// The one that we trust most; `None` if there is none.
    #[must_use]
    pub fn best(self) -> Option<PeerSource> {
        self.iter().next()
    }

    /// Each of them, best first.
    pub fn iter(self) -> impl Iterator<Item = PeerSource> {
        let all = PeerSource::ALL.into_iter();
        all.filter(move |&source| self.contains(source))
    }
}

impl From<PeerSource> for PeerSources {
    fn from(source: PeerSource) -> Self {
        let mut sources = Self::NONE;
        sources.insert(source);
        sources
    }
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
