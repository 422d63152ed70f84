use std::{fmt, net::SocketAddr};

use bt_bencoding::{Document, Encoder, Lenient, Value};
use bt_types::{CompactAddrs, push_compact};

use super::{BENCODE_LIMITS, ExtendedError};

/// A message of `ut_pex`: to whom the sender has become connected, and to whom it no longer is,
/// since its last one (BEP 11).
///
/// Untrusted: addresses may be our own, or a victim's. At most 100 of each list are kept, twice
/// what BEP 11 allows, since first messages are longer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PexMessage {
    /// New peers of the sender, IPv4 before IPv6.
    pub added: Vec<PexPeer>,
    /// Former peers of the sender, IPv4 before IPv6. No reason to drop them.
    pub dropped: Vec<SocketAddr>,
}

/// A peer, as another one knows it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PexPeer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What is known of it.
    pub flags: PexFlags,
}

/// What a peer tells of another (BEP 11, `added.f`).
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// It prefers encrypted connections.
    pub const PREFERS_ENCRYPTION: Self = Self(0x01);
    /// It has everything, or will not download any more.
    pub const UPLOAD_ONLY: Self = Self(0x02);
    /// It speaks uTP.
    pub const SUPPORTS_UTP: Self = Self(0x04);
    /// It speaks `ut_holepunch`.
    pub const SUPPORTS_HOLEPUNCH: Self = Self(0x08);
    /// The sender has connected to it: it can be reached.
    pub const REACHABLE: Self = Self(0x10);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These, and `flags`.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }
}

impl fmt::Debug for PexFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PexFlags({:#04x})", self.0)
    }
}

impl PexMessage {
    pub(super) fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let (document, _) = Document::<Lenient>::parse_prefix(payload, BENCODE_LIMITS)?;
        let dict = document.root();
        if dict.as_dict().is_none() {
            return Err(ExtendedError::NotADictionary);
        }
        let bytes = |key: &str| dict.get(key).and_then(Value::as_bytes).unwrap_or(&[]);
        let added_v4 = flagged(CompactAddrs::lossy_v4(bytes("added")), bytes("added.f"));
        let added_v6 = flagged(CompactAddrs::lossy_v6(bytes("added6")), bytes("added6.f"));
        let dropped_v4 = CompactAddrs::lossy_v4(bytes("dropped"));
        let dropped_v6 = CompactAddrs::lossy_v6(bytes("dropped6"));
        Ok(Self {
            added: added_v4.chain(added_v6).take(MAX_PEERS).collect(),
            dropped: dropped_v4.chain(dropped_v6).take(MAX_PEERS).collect(),
        })
    }

    /// All six keys are written, also for nothing: libtorrent ignores `added` without `added.f`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (added, added_flags) = added_of(self, SocketAddr::is_ipv4);
        let (added6, added6_flags) = added_of(self, SocketAddr::is_ipv6);
        Encoder::new(out).dict(|dict| {
            dict.bytes("added", added).bytes("added.f", added_flags);
            dict.bytes("added6", added6).bytes("added6.f", added6_flags);
            dict.bytes("dropped", dropped_of(self, SocketAddr::is_ipv4));
            dict.bytes("dropped6", dropped_of(self, SocketAddr::is_ipv6));
        });
    }
}

/// Flags that are missing, or of another number than the addresses, say nothing (BEP 11 leaves
/// them out at will).
fn flagged<'a>(addrs: CompactAddrs<'a>, flags: &'a [u8]) -> impl Iterator<Item = PexPeer> + 'a {
    let flags = if flags.len() == addrs.len() {
        flags
    } else {
        &[]
    };
    addrs.enumerate().map(|(index, addr)| PexPeer {
        addr,
        flags: PexFlags(flags.get(index).copied().unwrap_or(0)),
    })
}

/// The compact addresses of one family, and their flags.
fn added_of(message: &PexMessage, family: impl Fn(&SocketAddr) -> bool) -> (Vec<u8>, Vec<u8>) {
    let (mut addrs, mut flags) = (Vec::new(), Vec::new());
    for peer in message.added.iter().filter(|peer| family(&peer.addr)) {
        push_compact(&mut addrs, peer.addr);
        flags.push(peer.flags.0);
    }
    (addrs, flags)
}

fn dropped_of(message: &PexMessage, family: impl Fn(&SocketAddr) -> bool) -> Vec<u8> {
    let mut addrs = Vec::new();
    for addr in message.dropped.iter().filter(|addr| family(addr)) {
        push_compact(&mut addrs, *addr);
    }
    addrs
}

/// As many as libtorrent sends at most, in its first message.
const MAX_PEERS: usize = 100;
