use std::{
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::wire::ConnectionId;

/// Makes connection ids and recognises them again without remembering any.
///
/// An id is the second in which it was issued (16 bits) and a keyed hash of that second and of the
/// address it was issued to (48 bits). The port does not count: behind a carrier's NAT it may
/// change between two datagrams.
#[derive(Debug)]
pub(super) struct ConnectionIds {
    key: [u8; 32],
    /// The instant that counts as second 0: that of the first id.
    epoch: Option<Instant>,
}

impl ConnectionIds {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, epoch: None }
    }

    pub(super) fn issue(&mut self, now: Instant, ip: IpAddr) -> ConnectionId {
        self.epoch.get_or_insert(now);
        self.id(ip, self.second(now))
    }

    pub(super) fn accepts(&self, now: Instant, ip: IpAddr, id: ConnectionId) -> bool {
        let second = self.second(now);
        let age = u64::from((second as u16).wrapping_sub((id.0 >> STAMP_SHIFT) as u16));
        let issued = second.checked_sub(age);
        age <= ACCEPTED_SECONDS && issued.is_some_and(|issued| self.id(ip, issued) == id)
    }

    fn second(&self, now: Instant) -> u64 {
        self.epoch
            .map_or(0, |epoch| now.saturating_duration_since(epoch).as_secs())
    }

    /// ChaCha as a pseudo-random function, twice: first of the address, to a key; then, under that
    /// key, of the second. Both inputs are stream and block numbers, of which no two coincide.
    fn id(&self, ip: IpAddr, second: u64) -> ConnectionId {
        let address = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut address_key = [0; 32];
        keystream(&self.key, address).fill_bytes(&mut address_key);
        let mac = keystream(&address_key, Ipv6Addr::from_bits(second.into())).next_u64();
        ConnectionId((second << STAMP_SHIFT) | (mac & MAC_MASK))
    }
}

/// The 16-word block of `key`'s keystream that the 128 bits of `input` number.
fn keystream(key: &[u8; 32], input: Ipv6Addr) -> ChaCha12Rng {
    const WORDS_PER_BLOCK: u128 = 16;
    let input = input.to_bits();
    let mut block = ChaCha12Rng::from_seed(*key);
    block.set_stream((input >> 64) as u64);
    block.set_word_pos(u128::from(input as u64) * WORDS_PER_BLOCK);
    block
}

/// BEP 15, "UDP connections": a tracker should accept an id until two minutes after sending it.
const ACCEPTED_SECONDS: u64 = 120;
const STAMP_SHIFT: u32 = 48;
const MAC_MASK: u64 = (1 << STAMP_SHIFT) - 1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_id_is_good_for_two_minutes_from_one_address() {
        let (mut ids, epoch) = ids();
        let at = |second| epoch + Duration::from_secs(second);
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        for issued in [0, 1, 65_530, 65_536, 200_000] {
            ids.issue(epoch, here);
            let id = ids.issue(at(issued), here);
            assert!(ids.accepts(at(issued), here, id));
            assert!(ids.accepts(at(issued + 120), here, id));
            assert!(!ids.accepts(at(issued + 121), here, id));
            assert!(
                !ids.accepts(at(issued + 65_536), here, id),
                "the stamp wraps, the hash does not"
            );
            assert!(!ids.accepts(at(issued), "192.0.2.2".parse().unwrap(), id));
        }
    }

    #[test]
    fn every_bit_of_id_address_and_key_counts() {
        let (mut ids, epoch) = ids();
        let ip = u128::MAX - 5;
        let id = ids.issue(epoch, Ipv6Addr::from_bits(ip).into());
        for bit in 0..64 {
            let forged = ConnectionId(id.0 ^ 1 << bit);
            assert!(!ids.accepts(epoch, Ipv6Addr::from_bits(ip).into(), forged));
        }
        for bit in 0..128 {
            let other = Ipv6Addr::from_bits(ip ^ 1 << bit);
            assert!(!ids.accepts(epoch, other.into(), id));
        }
        let other_key = ConnectionIds {
            key: [8; 32],
            epoch: ids.epoch,
        };
        assert!(!other_key.accepts(epoch, Ipv6Addr::from_bits(ip).into(), id));
    }

    /// Before the first connect nothing can be valid, whatever its stamp says.
    #[test]
    fn ids_from_before_the_start_are_refused() {
        let (ids, epoch) = ids();
        for stamp in [0, 1, 0xffff] {
            let id = ConnectionId(stamp << STAMP_SHIFT);
            assert!(!ids.accepts(epoch, "192.0.2.1".parse().unwrap(), id));
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn ids() -> (ConnectionIds, Instant) {
        (ConnectionIds::new([7; 32]), Instant::now())
    }
}
