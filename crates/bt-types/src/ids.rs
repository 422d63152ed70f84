use std::{fmt, str::FromStr};

/// The SHA-1 of a v1 info dictionary: what names a v1 torrent (BEP 3).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InfoHash(pub [u8; 20]);

/// The SHA-256 of a v2 info dictionary: what names a v2 torrent (BEP 52).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InfoHashV2(pub [u8; 32]);

/// The 20 bytes by which a swarm is known to peers, trackers and the DHT: an [`InfoHash`], or an
/// [`InfoHashV2`] cut to its first 20 bytes (BEP 52). A hybrid torrent has two.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SwarmId(pub [u8; 20]);

/// What a peer calls itself in the handshake: 20 bytes of any content (BEP 3).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub [u8; 20]);

/// The expected hash of one piece.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PieceHash {
    /// SHA-1 of the piece's bytes, pad files included as zeros (BEP 3).
    V1([u8; 20]),
    /// Root of the Merkle tree over the piece's 16 KiB blocks (BEP 52).
    V2([u8; 32]),
}

/// The names of one torrent: v1, v2, or both for a hybrid; never neither.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TorrentIds(Ids);

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Ids {
    V1(InfoHash),
    V2(InfoHashV2),
    Hybrid(InfoHash, InfoHashV2),
}

impl TorrentIds {
    /// A v1 torrent.
    #[must_use]
    pub const fn v1_only(v1: InfoHash) -> Self {
        Self(Ids::V1(v1))
    }

    /// A v2 torrent.
    #[must_use]
    pub const fn v2_only(v2: InfoHashV2) -> Self {
        Self(Ids::V2(v2))
    }

    /// A torrent that both kinds of client can join.
    #[must_use]
    pub const fn hybrid(v1: InfoHash, v2: InfoHashV2) -> Self {
        Self(Ids::Hybrid(v1, v2))
    }

    /// The v1 hash, if the torrent has one.
    #[must_use]
    pub const fn v1(&self) -> Option<InfoHash> {
        match self.0 {
            Ids::V1(v1) | Ids::Hybrid(v1, _) => Some(v1),
            Ids::V2(_) => None,
        }
    }

    /// The v2 hash, if the torrent has one.
    #[must_use]
    pub const fn v2(&self) -> Option<InfoHashV2> {
        match self.0 {
            Ids::V2(v2) | Ids::Hybrid(_, v2) => Some(v2),
            Ids::V1(_) => None,
        }
    }

    /// The ids of the swarms in which this torrent lives, v1 first: one, or two for a hybrid.
    pub fn swarm_ids(&self) -> impl Iterator<Item = SwarmId> + use<> {
        let v1 = self.v1().map(SwarmId::from);
        let v2 = self.v2().map(SwarmId::from);
        v1.into_iter().chain(v2)
    }

    /// The id under which we announce and connect when only one swarm is joined: v1 if there is
    /// one, since every client speaks it.
    #[must_use]
    pub fn primary_swarm_id(&self) -> SwarmId {
        match self.0 {
            Ids::V1(v1) | Ids::Hybrid(v1, _) => v1.into(),
            Ids::V2(v2) => v2.into(),
        }
    }
}

impl From<InfoHash> for SwarmId {
    fn from(hash: InfoHash) -> Self {
        Self(hash.0)
    }
}

impl From<InfoHashV2> for SwarmId {
    fn from(hash: InfoHashV2) -> Self {
        let mut id = [0; 20];
        id.copy_from_slice(&hash.0[..20]);
        Self(id)
    }
}

impl PeerId {
    /// An id in the Azureus style of BEP 20: `-` client version `-`, then 12 characters drawn
    /// from `random`, letters and digits only, since some trackers refuse other bytes.
    ///
    /// ```
    /// use bt_types::PeerId;
    /// let id = PeerId::azureus(*b"XX", *b"0102", [0; 12]);
    /// assert_eq!(&id.0[..8], b"-XX0102-");
    /// ```
    #[must_use]
    pub fn azureus(client: [u8; 2], version: [u8; 4], random: [u8; 12]) -> Self {
        let mut id = *b"-cc0000-rrrrrrrrrrrr";
        id[1..3].copy_from_slice(&client);
        id[3..7].copy_from_slice(&version);
        for (byte, random) in id[8..].iter_mut().zip(random) {
            *byte = ALPHABET[usize::from(random) % ALPHABET.len()];
        }
        Self(id)
    }
}

/// Why a text is not a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHashError {
    /// The text has another number of characters.
    #[error("a hash of {expected} hex digits expected, found {found} characters")]
    Length {
        /// Twice the number of bytes.
        expected: usize,
        /// Bytes of text found.
        found: usize,
    },
    /// A character is no hex digit.
    #[error("character {position} is not a hex digit")]
    Digit {
        /// Counted from 1.
        position: usize,
    },
}

fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHashError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(ParseHashError::Length {
            expected: 2 * N,
            found: digits.len(),
        });
    }
    let mut bytes = [0; N];
    for (position, &digit) in digits.iter().enumerate() {
        let value = char::from(digit)
            .to_digit(16)
            .ok_or(ParseHashError::Digit {
                position: position + 1,
            })?;
        bytes[position / 2] = bytes[position / 2] << 4 | value as u8;
    }
    Ok(bytes)
}

macro_rules! hex_text {
    ($($name:ident: $len:literal),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            /// Reads hex digits of either case.
            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                from_hex::<$len>(text).map(Self)
            }
        }
    )*};
}

hex_text!(InfoHash: 20, InfoHashV2: 32, SwarmId: 20);

/// Printable ASCII as it is, everything else as `\xNN`: safe for terminals and logs.
impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_in_either_case() {
        let text = "c0fda1edafdbdbb96443424e0b3899af7159d10e";
        let hash: InfoHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        assert_eq!(
            "c0fd".parse::<InfoHash>(),
            Err(ParseHashError::Length {
                expected: 40,
                found: 4
            })
        );
        let bad = format!("{}g", &text[..39]);
        assert_eq!(
            bad.parse::<InfoHash>(),
            Err(ParseHashError::Digit { position: 40 })
        );
    }

    #[test]
    fn a_hybrid_lives_in_two_swarms_and_prefers_v1() {
        let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([2; 32]));
        let ids = TorrentIds::hybrid(v1, v2);
        assert_eq!(
            ids.swarm_ids().collect::<Vec<_>>(),
            [SwarmId([1; 20]), SwarmId([2; 20])]
        );
        assert_eq!(ids.primary_swarm_id(), SwarmId([1; 20]));
        assert_eq!(TorrentIds::v2_only(v2).primary_swarm_id(), SwarmId([2; 20]));
    }

    #[test]
    fn peer_ids_print_without_control_characters() {
        let id = PeerId(*b"-XX0001-\x1b[2J\0\xff789012");
        assert_eq!(id.to_string(), r"-XX0001-\x1b[2J\x00\xff789012");
    }
}
