//! BEP 40: an order of all pairs of peers, on which both ends agree without a word.

use std::net::{IpAddr, SocketAddr};

/// How much the connection between `a` and `b` is worth to the swarm (BEP 40): the greater one is
/// kept where there is room for one only. The order of the two does not matter.
///
/// Each should be the address at which the other sees it. A port counts only where the addresses
/// are the same, as behind one gateway. `None` if one is of IPv4 and the other of IPv6: nobody
/// connects these.
///
/// Everybody ranks each pair alike and each pair by chance, so that full peers end up joined to
/// one another at random: nobody can get many connections by being first, or loud, and the swarm
/// does not fall apart into clouds of neighbours. Of an address beyond the network's own part
/// half of the bits count, so that one machine with many addresses has few ranks to choose from.
///
/// ```
/// use bt_scheduler::canonical_priority;
///
/// let ours = "123.213.32.10:0".parse()?;
/// let theirs = "98.76.54.32:0".parse()?;
/// assert_eq!(canonical_priority(ours, theirs), Some(0xec2d_7224));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn canonical_priority(a: SocketAddr, b: SocketAddr) -> Option<u32> {
    match (a.ip().to_canonical(), b.ip().to_canonical()) {
        (x, y) if x == y => {
            let ports = [a.port().min(b.port()), a.port().max(b.port())];
            Some(crc32c(ports.map(u16::to_be_bytes).as_flattened()))
        }
        (IpAddr::V4(x), IpAddr::V4(y)) => Some(of_pair(x.octets(), y.octets(), KEPT_OF_V4)),
        (IpAddr::V6(x), IpAddr::V6(y)) => Some(of_pair(x.octets(), y.octets(), KEPT_OF_V6)),
        _ => None,
    }
}

/// Keeps the first `kept` bytes, or one more than both have in common, and half of the bits of the
/// others.
///
/// The BEP says `etc…` where IPv6 goes on: like transmission and anacrolix/torrent, we go on as it
/// does for IPv4. libtorrent keeps one byte more where the addresses first differ in their sixth
/// byte or later.
fn of_pair<const N: usize>(a: [u8; N], b: [u8; N], kept: usize) -> u32 {
    let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let kept = if shared < kept { kept } else { shared + 1 };
    let mask = |mut address: [u8; N]| {
        address.iter_mut().skip(kept).for_each(|byte| *byte &= 0x55);
        address
    };
    let (a, b) = (mask(a), mask(b));
    crc32c([a.min(b), a.max(b)].as_flattened())
}

/// CRC-32C (Castagnoli), as of RFC 3720.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ CRC_TABLE[usize::from(low ^ byte)]
    };
    !bytes.iter().fold(!0, step)
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (if crc & 1 == 1 { CASTAGNOLI } else { 0 });
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

static CRC_TABLE: [u32; 256] = crc_table();
/// The polynomial, its bits reversed.
const CASTAGNOLI: u32 = 0x82f6_3b78;
/// BEP 40: mask FF.FF.55.55, unless both are of one /16.
const KEPT_OF_V4: usize = 2;
/// BEP 40: FFFF:FFFF:FFFF:5555:…, unless both are of one /48.
const KEPT_OF_V6: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// BEP 40's own, anacrolix/torrent's, libtorrent's, and for IPv6 those of the BEP's rule.
    #[test]
    fn vectors() {
        #[rustfmt::skip]
        let vectors = [
            ("123.213.32.10:0", "98.76.54.32:0", 0xec2d_7224),
            ("123.213.32.10:0", "123.213.32.234:0", 0x9956_8189),
            ("206.248.98.111:0", "142.147.89.224:0", 0x2b41_d456),
            ("230.12.123.3:1234", "230.12.123.3:300", 0xae8b_7034),
            ("230.12.123.1:1234", "230.12.123.3:300", 0x99c5_4d79),
            ("230.12.23.1:1234", "230.12.123.3:300", 0x21fd_5f80),
            ("230.120.23.1:1234", "230.12.123.3:300", 0xfa9a_860e),
            ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "[ffff:0fff:ffff:ffff:ffff:ffff:ffff:ffff]:2", 0x59d7_1f38),
            ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "[ffff:ffff:0fff:ffff:ffff:ffff:ffff:ffff]:2", 0x081d_5282),
            ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "[ffff:ffff:ff0f:ffff:ffff:ffff:ffff:ffff]:2", 0x755f_8512),
            ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "[ffff:ffff:ffff:0fff:ffff:ffff:ffff:ffff]:2", 0x27a8_8382),
        ];
        for (a, b, expected) in vectors {
            assert_eq!(priority(a, b), Some(expected), "{a} and {b}");
            assert_eq!(priority(b, a), Some(expected), "{b} and {a}");
        }
    }

    #[test]
    fn checksums() {
        let counted: Vec<u8> = (0..0x20).collect();
        #[rustfmt::skip]
        let vectors: [(&[u8], u32); 5] = [
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&counted, 0x46dd_794e),
            (&[0xef, 0xfe, 0xa5, 0x5a], 0x5ee3_b9d5),
        ];
        for (bytes, expected) in vectors {
            assert_eq!(crc32c(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn addresses_of_two_families_have_no_rank_and_mapped_ones_are_of_ipv4() {
        assert_eq!(priority("1.2.3.4:1", "[2001:db8::1]:1"), None);
        let plain = priority("123.213.32.10:0", "98.76.54.32:0");
        assert_eq!(priority("[::ffff:123.213.32.10]:7", "98.76.54.32:0"), plain);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(a: [u8; 16], b: [u8; 16], ports: [u16; 2]) {
            let [a, b] = [SocketAddr::from((a, ports[0])), SocketAddr::from((b, ports[1]))];
            prop_assert_eq!(canonical_priority(a, b), canonical_priority(b, a));
        }

        /// A machine that may choose the last half of its address has few ranks to choose from:
        /// the masked bits change nothing.
        #[test]
        fn half_of_the_bits_of_a_far_host_do_not_count(ours: [u8; 4], theirs: [u8; 4], host: [u8; 2]) {
            prop_assume!(ours[..2] != theirs[..2]);
            let other = [theirs[0], theirs[1], theirs[2] ^ (host[0] & 0xaa), theirs[3] ^ (host[1] & 0xaa)];
            let [ours, theirs, other] = [ours, theirs, other].map(|ip| SocketAddr::from((ip, 1)));
            prop_assert_eq!(canonical_priority(ours, theirs), canonical_priority(ours, other));
        }
    }

    fn priority(a: &str, b: &str) -> Option<u32> {
        canonical_priority(a.parse().unwrap(), b.parse().unwrap())
    }
}
