use std::net::IpAddr;

use sha1::{Digest, Sha1};

/// A Bloom filter of addresses, as nodes answer a scrape with (BEP 33): how many hosts are in it
/// can be estimated, and the union of two is the filter of both.
///
/// ```
/// use bt_dht::Bloom;
/// let mut filter = Bloom::new();
/// (0..100).for_each(|n| filter.insert([198, 51, 100, n].into()));
/// assert!((95.0..105.0).contains(&filter.estimate()));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bloom([u8; BLOOM_LENGTH]);

/// Which two bits stand for an address; computed once, since it costs a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BloomBits([u16; 2]);

impl Bloom {
    /// Of nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; BLOOM_LENGTH])
    }

    /// Adds an address; of IPv4 in IPv6 clothes it is the former.
    pub fn insert(&mut self, ip: IpAddr) {
        self.insert_bits(BloomBits::of(ip));
    }

    /// Adds everybody who is in another filter.
    pub fn insert_all(&mut self, other: &Self) {
        for (byte, others) in self.0.iter_mut().zip(other.0) {
            *byte |= others;
        }
    }

    /// About how many different addresses were added. Beyond some 6,000 the filter is full, and
    /// says no more than that.
    #[must_use]
    pub fn estimate(&self) -> f64 {
        let zeros: u32 = self.0.iter().map(|byte| byte.count_zeros()).sum();
        let bits = BLOOM_BITS as f64;
        // BEP 33: c = min(m - 1, zeros), so that the empty filter is not minus zero; and a full
        // one has no logarithm.
        let zeros = f64::from(zeros).clamp(1.0, bits - 1.0);
        (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln())
    }

    /// The 256 bytes of the message.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; BLOOM_LENGTH] {
        &self.0
    }

    /// Reads those 256 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; BLOOM_LENGTH]) -> Self {
        Self(bytes)
    }

    pub(crate) fn insert_bits(&mut self, BloomBits(bits): BloomBits) {
        for bit in bits {
            self.0[usize::from(bit / 8)] |= 1 << (bit % 8);
        }
    }
}

impl Default for Bloom {
    fn default() -> Self {
        Self::new()
    }
}

impl BloomBits {
    pub(crate) fn of(ip: IpAddr) -> Self {
        let hash = match ip.to_canonical() {
            IpAddr::V4(ip) => Sha1::digest(ip.octets()),
            IpAddr::V6(ip) => Sha1::digest(ip.octets()),
        };
        let bit = |low: usize| u16::from_le_bytes([hash[low], hash[low + 1]]) % BLOOM_BITS;
        Self([bit(0), bit(2)])
    }
}

/// Bytes of a filter.
pub const BLOOM_LENGTH: usize = 256;
const BLOOM_BITS: u16 = 8 * BLOOM_LENGTH as u16;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// BEP 33, "Test vectors".
    #[test]
    fn filter_of_bep_33() {
        let mut filter = Bloom::new();
        for n in 0..=255 {
            filter.insert(Ipv4Addr::new(192, 0, 2, n).into());
        }
        for n in 0..=0x3e7 {
            filter.insert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into());
        }
        let hex: String = filter.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, VECTOR);
        assert!((filter.estimate() - 1224.9308).abs() < 0.0001);
    }

    #[test]
    fn one_address_sets_two_bits() {
        let mut filter = Bloom::new();
        filter.insert([192, 168, 1, 1].into());
        let set = (0..2048).filter(|bit| filter.0[bit / 8] >> (bit % 8) & 1 == 1);
        assert_eq!(set.collect::<Vec<_>>(), [1711, 1831]);
    }

    #[test]
    fn extremes_have_estimates() {
        assert!((0.0..1.0).contains(&Bloom::new().estimate()));
        let full = Bloom::from_bytes([0xff; 256]).estimate();
        assert!(full > 6_000.0 && full.is_finite());
    }

    #[test]
    fn the_union_is_the_filter_of_both() {
        let (mut a, mut b, mut both) = (Bloom::new(), Bloom::new(), Bloom::new());
        for n in 0..200 {
            let ip = IpAddr::from([10, 1, 1, n]);
            both.insert(ip);
            if n % 2 == 0 {
                a.insert(ip);
            } else {
                b.insert(ip);
            }
        }
        a.insert_all(&b);
        assert_eq!(a, both);
    }

    const VECTOR: &str = "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75\
        ee7ccbaefe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffdf4ffd3e9dff12d1bdf59db53dbe9fa5b7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe14\
        8246c2bc5dbff7e7efdcf24fd8dc7adffd8fffdfddfff7a4bbeedf5cb95ce81fc7fcff1ff4ffffdfe5f7fdcbb7fd79b3fa1fc77bfe07fff905b7b7ffc7fefeff\
        e0b8370bb0cd3f5b7f2bd93feb4386cfdd6f7fd5bfaf2e9ebffffeecd67adbf7c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb5762abe8ff237279bf\
        efbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6fd8f72ef";
}
