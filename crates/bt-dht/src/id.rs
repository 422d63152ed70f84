use std::{fmt, net::IpAddr, str::FromStr};

use bt_types::{ParseHashError, SwarmId};
use rand_chacha::{ChaCha12Rng, rand_core::Rng};

/// What names a node, and where in the DHT it stands: 20 bytes. What is looked up, an info hash or
/// the target of an item, is a point in the same space.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub [u8; 20]);

/// How far two ids are from one another: their bitwise difference, as a number of 160 bits (BEP 5).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Distance([u8; 20]);

impl NodeId {
    /// The distance to another id; symmetric.
    #[must_use]
    pub fn distance(self, other: Self) -> Distance {
        let mut difference = [0; 20];
        for ((out, a), b) in difference.iter_mut().zip(self.0).zip(other.0) {
            *out = a ^ b;
        }
        Distance(difference)
    }

    /// An id for a node whose address is `ip`, as BEP 42 wants it: its first 21 bits and its last
    /// byte depend on the address, the others are `random`.
    ///
    /// ```
    /// use bt_dht::NodeId;
    /// let mut random = [0; 20];
    /// random[19] = 1;
    /// let id = NodeId::for_address([124, 31, 75, 21].into(), random);
    /// assert_eq!(id.to_string(), "5fbfb80000000000000000000000000000000001");
    /// assert!(id.fits_address([124, 31, 75, 21].into()));
    /// ```
    #[must_use]
    pub fn for_address(ip: IpAddr, random: [u8; 20]) -> Self {
        let mut id = random;
        let [first, second, third, _] = address_hash(ip, random[19]).to_be_bytes();
        id[0] = first;
        id[1] = second;
        id[2] = (third & FREE_BITS_BEFORE) | (random[2] & !FREE_BITS_BEFORE);
        Self(id)
    }

    /// Whether a node with this address may have this id (BEP 42). Addresses that are of local
    /// meaning only may have any.
    #[must_use]
    pub fn fits_address(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if crate::address::is_local(ip) {
            return true;
        }
        let [first, second, third, _] = address_hash(ip, self.0[19]).to_be_bytes();
        self.0[0] == first && self.0[1] == second && (self.0[2] ^ third) & FREE_BITS_BEFORE == 0
    }

    /// Any id.
    pub(crate) fn random(rng: &mut ChaCha12Rng) -> Self {
        let mut id = [0; 20];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// Any id that shares exactly the first `bits` bits with this one.
    pub(crate) fn random_neighbour(self, bits: usize, rng: &mut ChaCha12Rng) -> Self {
        let mut id = Self::random(rng);
        for bit in 0..bits.min(ID_BITS) {
            id.copy_bit(self, bit, 0);
        }
        if bits < ID_BITS {
            id.copy_bit(self, bits, 1);
        }
        id
    }

    /// Of 160, how many bits from the first on are equal.
    pub(crate) fn common_bits(self, other: Self) -> usize {
        self.distance(other).leading_zeros()
    }

    /// Reads 20 bytes.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn copy_bit(&mut self, from: Self, bit: usize, flip: u8) {
        let (byte, mask) = (bit / 8, 0x80_u8 >> (bit % 8));
        let wanted = from.0[byte] ^ (mask * flip);
        self.0[byte] = (self.0[byte] & !mask) | (wanted & mask);
    }
}

impl Distance {
    /// Of 160, how many bits from the first on are zero; 160 between an id and itself.
    #[must_use]
    pub fn leading_zeros(self) -> usize {
        let first = self.0.iter().position(|byte| *byte != 0);
        first.map_or(ID_BITS, |at| at * 8 + self.0[at].leading_zeros() as usize)
    }
}

impl From<SwarmId> for NodeId {
    fn from(swarm: SwarmId) -> Self {
        Self(swarm.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = ParseHashError;

    /// Reads hex digits of either case.
    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let swarm: SwarmId = text.parse()?;
        Ok(swarm.into())
    }
}

/// The hash of an address to which an id is bound; `random` is the id's last byte, of which three
/// bits count. Only the first 21 bits of the result are used.
fn address_hash(ip: IpAddr, random: u8) -> u32 {
    // BEP 42 speaks of eight bytes for IPv4 too, but its vectors, and everybody, hash four.
    match ip.to_canonical() {
        IpAddr::V4(ip) => masked_hash(ip.octets(), V4_MASK, random),
        IpAddr::V6(ip) => {
            let [prefix @ .., _, _, _, _, _, _, _, _] = ip.octets();
            masked_hash(prefix, V6_MASK, random)
        }
    }
}

fn masked_hash<const N: usize>(mut ip: [u8; N], mask: [u8; N], random: u8) -> u32 {
    for (byte, mask) in ip.iter_mut().zip(mask) {
        *byte &= mask;
    }
    ip[0] |= (random & 7) << 5;
    crc32c(&ip)
}

/// CRC-32C (RFC 3720), bit by bit: it hashes eight bytes a time at most.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (CASTAGNOLI * (crc & 1));
        }
    }
    !crc
}

pub(crate) const ID_BITS: usize = 160;
/// Of the third byte, the bits that are bound to the address; the three others are free.
const FREE_BITS_BEFORE: u8 = 0xf8;
/// BEP 42: which bits of an address count, so that who has many neighbouring ones gets few ids.
const V4_MASK: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
const V6_MASK: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
/// The polynomial of CRC-32C, lowest bit first.
const CASTAGNOLI: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn crc32c_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&[0xef, 0xfe, 0xa5, 0x5a]), 0x5ee3_b9d5);
    }

    /// The table of BEP 42.
    #[test]
    fn ids_of_bep_42() {
        for (ip, random, prefix, example) in [
            (
                [124, 31, 75, 21],
                1,
                "5fbfb8",
                "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401",
            ),
            (
                [21, 75, 31, 124],
                86,
                "5a3ce8",
                "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256",
            ),
            (
                [65, 23, 51, 170],
                22,
                "a5d430",
                "a5d43220bc8f112a3d426c84764f8c2a1150e616",
            ),
            (
                [84, 124, 73, 14],
                65,
                "1b0320",
                "1b0321dd1bb1fe518101ceef99462b947a01ff41",
            ),
            (
                [43, 213, 53, 83],
                90,
                "e56f68",
                "e56f6cbf5b7c4be0237986d5243b87aa6d51305a",
            ),
        ] {
            let ip = IpAddr::from(ip);
            let mut bytes = [0; 20];
            bytes[19] = random;
            let id = NodeId::for_address(ip, bytes);
            assert!(id.to_string().starts_with(prefix), "{id}");
            let example: NodeId = example.parse().unwrap();
            assert!(id.fits_address(ip) && example.fits_address(ip), "{ip}");
            let mut other = example;
            other.0[0] ^= 1;
            assert!(!other.fits_address(ip));
            assert!(other.fits_address([192, 168, 0, 7].into()));
        }
        // Derived: no published vectors for IPv6.
        for (ip, random, prefix) in [
            ("2001:db8:85a3:1234::1", 7, "1d7c48"),
            ("2001:db8::1", 0, "7c89c8"),
        ] {
            let mut bytes = [0; 20];
            bytes[19] = random;
            let id = NodeId::for_address(ip.parse().unwrap(), bytes);
            assert!(id.to_string().starts_with(prefix), "{id}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_a_metric_of_bits(a: [u8; 20], b: [u8; 20], c: [u8; 20]) {
            let [a, b, c] = [a, b, c].map(NodeId);
            prop_assert_eq!(a.distance(b), b.distance(a));
            prop_assert_eq!(a.common_bits(a), 160);
            prop_assert!(a.common_bits(c) >= a.common_bits(b).min(b.common_bits(c)));
        }

        #[test]
        fn neighbours_share_what_they_should(own: [u8; 20], bits in 0_usize..160, seed: u64) {
            let own = NodeId(own);
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            prop_assert_eq!(own.common_bits(own.random_neighbour(bits, &mut rng)), bits);
        }

        #[test]
        fn made_ids_fit(v4: [u8; 4], v6: [u8; 16], random: [u8; 20]) {
            for ip in [IpAddr::from(v4), IpAddr::from(v6)] {
                prop_assert!(NodeId::for_address(ip, random).fits_address(ip));
            }
        }
    }
}
