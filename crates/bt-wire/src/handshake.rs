use std::fmt;

use bt_types::{PeerId, SwarmId};
use nom::{IResult, Needed, Parser, bytes::streaming::tag};

/// The first thing that each side of a peer connection says (BEP 3): which swarm, who, and what
/// else it can do.
///
/// It has one length, [`LENGTH`](Self::LENGTH) bytes, but may come in two halves: who accepts a
/// connection can answer as soon as it knows the swarm ([`peek_swarm_id`](Self::peek_swarm_id)),
/// and some peers that only test whether we can be reached never send the rest.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Handshake {
    /// What the sender can do beyond BEP 3.
    pub reserved: Reserved,
    /// The swarm. Who answers must give the same, or the other one of a hybrid torrent (BEP 52).
    pub swarm_id: SwarmId,
    /// What the sender calls itself. Proves nothing.
    pub peer_id: PeerId,
}

/// What [`Handshake::decode`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecodedHandshake {
    /// All is well so far: call again with the same bytes and more behind them.
    Incomplete {
        /// How long the input must be, counted from its start.
        bytes_needed: usize,
    },
    /// A whole handshake.
    Complete {
        /// It.
        handshake: Handshake,
        /// Where in the input the first message begins.
        consumed: usize,
    },
}

/// Why bytes are no handshake: the peer speaks another protocol, or an encrypted one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// A byte before the reserved ones is not what all handshakes have there.
    #[error("byte {position} of the handshake is {found:#04x}, {expected:#04x} expected")]
    Protocol {
        /// Counted from 0.
        position: usize,
        /// The byte found.
        found: u8,
        /// The byte of BEP 3.
        expected: u8,
    },
}

impl Handshake {
    /// The bytes of a handshake.
    pub const LENGTH: usize = 68;

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let (protocol, rest) = bytes.split_at_mut(PROTOCOL.len());
        protocol.copy_from_slice(PROTOCOL);
        rest[..8].copy_from_slice(&self.reserved.0);
        rest[8..28].copy_from_slice(&self.swarm_id.0);
        rest[28..].copy_from_slice(&self.peer_id.0);
        bytes
    }

    /// Reads a handshake from the start of `input`, which may hold a part of it, or more.
    ///
    /// # Errors
    /// As soon as a byte shows that this is something else.
    pub fn decode(input: &[u8]) -> Result<DecodedHandshake, HandshakeError> {
        let whole = (swarm, array).map(|((reserved, swarm_id), peer_id)| Self {
            reserved,
            swarm_id,
            peer_id: PeerId(peer_id),
        });
        let decoded = match parse(whole, input)? {
            Some(handshake) => DecodedHandshake::Complete {
                handshake,
                consumed: Self::LENGTH,
            },
            None => DecodedHandshake::Incomplete {
                bytes_needed: Self::LENGTH,
            },
        };
        Ok(decoded)
    }

    /// The swarm, known after 48 bytes: enough to answer an incoming connection, or to close it.
    /// `None` until so many are there.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn peek_swarm_id(input: &[u8]) -> Result<Option<SwarmId>, HandshakeError> {
        parse(swarm.map(|(_, swarm_id)| swarm_id), input)
    }
}

/// The 8 bytes of the handshake that announce extensions.
///
/// An extension is used if both sides announce it. Bits that nobody has told us about are kept,
/// and mean nothing.
///
/// ```
/// use bt_wire::Reserved;
/// let ours = Reserved::NONE.with_fast().with_extended();
/// let theirs = Reserved([0, 0, 0, 0, 0, 0x10, 0, 0x01]);
/// assert!(ours.and(theirs).supports_extended());
/// assert!(!ours.and(theirs).supports_fast() && theirs.supports_dht());
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// No extensions.
    pub const NONE: Self = Self([0; 8]);

    /// Announces the fast extension (BEP 6).
    #[must_use]
    pub const fn with_fast(self) -> Self {
        self.with(FAST)
    }

    /// Announces the extension protocol (BEP 10).
    #[must_use]
    pub const fn with_extended(self) -> Self {
        self.with(EXTENDED)
    }

    /// Announces that we take part in the DHT, and understand `port` messages (BEP 5).
    #[must_use]
    pub const fn with_dht(self) -> Self {
        self.with(DHT)
    }

    /// Announces, with the v1 id of a hybrid torrent, that we would rather speak v2 (BEP 52).
    #[must_use]
    pub const fn with_v2_upgrade(self) -> Self {
        self.with(V2_UPGRADE)
    }

    /// Whether the fast extension is announced (BEP 6).
    #[must_use]
    pub const fn supports_fast(self) -> bool {
        self.has(FAST)
    }

    /// Whether the extension protocol is announced (BEP 10).
    #[must_use]
    pub const fn supports_extended(self) -> bool {
        self.has(EXTENDED)
    }

    /// Whether the sender takes part in the DHT (BEP 5).
    #[must_use]
    pub const fn supports_dht(self) -> bool {
        self.has(DHT)
    }

    /// Whether the sender of a hybrid's v1 id would rather speak v2 (BEP 52).
    #[must_use]
    pub const fn supports_v2_upgrade(self) -> bool {
        self.has(V2_UPGRADE)
    }

    /// What both sides announce.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self((u64::from_be_bytes(self.0) & u64::from_be_bytes(other.0)).to_be_bytes())
    }

    const fn with(mut self, (byte, mask): Bit) -> Self {
        self.0[byte] |= mask;
        self
    }

    const fn has(self, (byte, mask): Bit) -> bool {
        self.0[byte] & mask != 0
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({:016x})", u64::from_be_bytes(self.0))
    }
}

/// `None` if the input is too short and good so far.
fn parse<'a, T>(
    mut parser: impl Parser<&'a [u8], Output = T, Error = ParserError<'a>>,
    input: &'a [u8],
) -> Result<Option<T>, HandshakeError> {
    match parser.parse(input) {
        Ok((_, value)) => Ok(Some(value)),
        Err(nom::Err::Incomplete(_)) => Ok(None),
        Err(nom::Err::Error(_) | nom::Err::Failure(_)) => Err(first_difference(input)),
    }
}

/// The first 48 bytes.
fn swarm(input: &[u8]) -> IResult<&[u8], (Reserved, SwarmId)> {
    let (input, _) = tag(&PROTOCOL[..])(input)?;
    (array.map(Reserved), array.map(SwarmId)).parse(input)
}

fn array<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N]> {
    match input.split_first_chunk() {
        Some((array, rest)) => Ok((rest, *array)),
        None => Err(nom::Err::Incomplete(Needed::new(N - input.len()))),
    }
}

/// Only the protocol name can be wrong; any other bytes are a handshake.
fn first_difference(input: &[u8]) -> HandshakeError {
    let mut pairs = input.iter().zip(PROTOCOL).enumerate();
    let (position, (&found, &expected)) = pairs
        .find(|(_, (found, expected))| found != expected)
        .expect("holds because the tag did not match");
    HandshakeError::Protocol {
        position,
        found,
        expected,
    }
}

type ParserError<'a> = nom::error::Error<&'a [u8]>;

/// A byte of the reserved ones, and a mask.
type Bit = (usize, u8);

/// BEP 3: the length of the protocol's name, and the name.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// BEP 10.
const EXTENDED: Bit = (5, 0x10);
/// BEP 5.
const DHT: Bit = (7, 0x01);
/// BEP 6.
const FAST: Bit = (7, 0x04);
/// BEP 52, "the 4th most significant bit in the last byte".
const V2_UPGRADE: Bit = (7, 0x10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::unhex;

    #[test]
    fn golden() {
        let handshake = Handshake {
            reserved: Reserved::NONE.with_extended().with_fast().with_dht(),
            swarm_id: SwarmId(std::array::from_fn(|i| i as u8)),
            peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
        };
        let bytes = unhex(
            "13426974546f7272656e742070726f746f636f6c0000000000100005000102030405060708090a0b0c0d0e0f\
             101112132d5858303030312d6162636465666768696a6b6c",
        );
        assert_eq!(handshake.encode()[..], bytes);
        let complete = DecodedHandshake::Complete {
            handshake,
            consumed: 68,
        };
        assert_eq!(Handshake::decode(&bytes), Ok(complete));
        assert_eq!(handshake.reserved.with_v2_upgrade().0[7], 0x15);
    }

    #[test]
    fn the_swarm_is_known_after_48_bytes() {
        let handshake = Handshake {
            reserved: Reserved([0xff; 8]),
            swarm_id: SwarmId([7; 20]),
            peer_id: PeerId([8; 20]),
        };
        let bytes = handshake.encode();
        for length in 0..bytes.len() {
            let incomplete = DecodedHandshake::Incomplete { bytes_needed: 68 };
            assert_eq!(Handshake::decode(&bytes[..length]), Ok(incomplete));
            let known = (length >= 48).then_some(handshake.swarm_id);
            assert_eq!(Handshake::peek_swarm_id(&bytes[..length]), Ok(known));
        }
    }

    #[test]
    fn other_protocols_are_recognised_by_their_first_bytes() {
        let http = HandshakeError::Protocol {
            position: 0,
            found: b'G',
            expected: 0x13,
        };
        assert_eq!(Handshake::decode(b"G"), Err(http));
        assert_eq!(Handshake::peek_swarm_id(b"GET / HTTP/1.1\r\n"), Err(http));
        assert_eq!(
            Handshake::decode(b"\x13BitTorrent protocoL")
                .unwrap_err()
                .to_string(),
            "byte 19 of the handshake is 0x4c, 0x6c expected"
        );
    }

    proptest! {
        #[test]
        fn round_trip(reserved: [u8; 8], swarm_id: [u8; 20], peer_id: [u8; 20], more: Vec<u8>) {
            let handshake = Handshake {
                reserved: Reserved(reserved),
                swarm_id: SwarmId(swarm_id),
                peer_id: PeerId(peer_id),
            };
            let bytes = [&handshake.encode()[..], &more].concat();
            let complete = DecodedHandshake::Complete { handshake, consumed: 68 };
            prop_assert_eq!(Handshake::decode(&bytes), Ok(complete));
        }
    }
}
