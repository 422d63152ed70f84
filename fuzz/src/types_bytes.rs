//! Bytes that peers and trackers send: bitfields, compact addresses and peer ids.

use bt_types::{Bitfield, CompactAddrs, PeerId, PieceIndex, push_compact};

/// The first four bytes are the number of pieces, the rest what was received.
pub fn run(data: &[u8]) {
    let Some((pieces, received)) = data.split_first_chunk::<4>() else {
        return;
    };
    bitfield(received, u32::from_be_bytes(*pieces));
    compact(received, CompactAddrs::v4, CompactAddrs::lossy_v4, 6);
    compact(received, CompactAddrs::v6, CompactAddrs::lossy_v6, 18);
    if let Some(id) = data.first_chunk::<20>() {
        client(PeerId(*id));
    }
}

fn client(id: PeerId) {
    if let Some(client) = id.client() {
        assert!(client.chars().count() <= 40, "{client:?}");
        assert!(
            client.chars().all(|letter| !letter.is_control()),
            "{client:?}"
        );
    }
}

fn bitfield(received: &[u8], pieces: u32) {
    let Ok(mut bits) = Bitfield::from_wire(received, pieces) else {
        return;
    };
    assert_eq!(bits.as_bytes(), received);
    assert_eq!(bits.len(), pieces);
    let ones: Vec<PieceIndex> = bits.iter_ones().collect();
    assert_eq!(ones.len(), bits.count_ones() as usize);
    assert!(ones.is_sorted_by(|a, b| a < b) && ones.iter().all(|&piece| bits.get(piece)));
    assert_eq!(ones.len() + bits.iter_zeros().count(), pieces as usize);
    assert!(!bits.has_any_not_in(&Bitfield::full(pieces)));
    for piece in ones {
        assert!(bits.remove(piece) && !bits.remove(piece));
    }
    assert_eq!(bits, Bitfield::new(pieces));
}

fn compact<'a, E>(
    received: &'a [u8],
    strict: impl Fn(&'a [u8]) -> Result<CompactAddrs<'a>, E>,
    lossy: impl Fn(&'a [u8]) -> CompactAddrs<'a>,
    stride: usize,
) {
    let whole = received.len() / stride;
    let addrs = lossy(received);
    assert_eq!(addrs.len(), whole);
    let mut encoded = Vec::new();
    for addr in addrs {
        push_compact(&mut encoded, addr);
    }
    assert_eq!(encoded, received[..whole * stride]);
    match strict(received) {
        Ok(addrs) => assert_eq!(addrs.len() * stride, received.len()),
        Err(_) => assert_ne!(received.len() % stride, 0),
    }
}
