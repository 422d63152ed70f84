use proptest::prelude::*;

use super::*;

#[test]
fn a_seed_moves_no_piece() {
    let mut availability = listed(100);
    availability.add(&set(100, &[3, 5, 8]));
    let before = availability.order.clone();
    availability.add(&Bitfield::full(100));
    assert_eq!(availability.order, before);
    assert_eq!(availability.of(PieceIndex::new(5)), 2);
    assert_eq!(availability.of(PieceIndex::new(6)), 1);
    availability.subtract(&Bitfield::full(100));
    assert_eq!(availability.order, before);
}

#[test]
fn the_rarest_piece_that_the_peer_has_is_chosen() {
    let mut availability = listed(10);
    let peer = set(10, &[1, 2, 3]);
    for pieces in [
        &peer,
        &set(10, &[1, 2]),
        &set(10, &[1, 2, 9]),
        &set(10, &[2]),
    ] {
        availability.add(pieces);
    }
    let mut rng = rng(0);
    let mut choose = |preference| availability.choose(&peer, preference, &mut rng);
    for _ in 0..20 {
        assert_eq!(choose(Preference::Rarest), Some(PieceIndex::new(3)));
        assert_eq!(choose(Preference::Commonest), Some(PieceIndex::new(2)));
    }
    let drawn: Vec<_> = (0..100)
        .filter_map(|_| choose(Preference::Random))
        .collect();
    for piece in peer.iter_ones() {
        assert!(drawn.contains(&piece), "{piece:?} is never drawn");
    }
}

#[test]
fn ties_are_broken_at_random_in_small_and_large_torrents() {
    for pieces in [8, 5000] {
        let mut availability = listed(pieces);
        availability.add(&Bitfield::full(pieces));
        let mut rng = rng(1);
        let full = Bitfield::full(pieces);
        let mut counts = [0; 4];
        for _ in 0..400 {
            let piece = availability
                .choose(&full, Preference::Rarest, &mut rng)
                .unwrap();
            counts[(piece.get() * 4 / pieces) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (50..150).contains(count)),
            "{counts:?}"
        );
    }
}

/// The worst case for a search from the rarest on: nobody but a seed has what comes first.
#[test]
fn the_only_piece_of_a_peer_is_found_in_a_large_torrent() {
    let pieces = 300_000;
    let mut availability = listed(pieces);
    availability.add(&Bitfield::full(pieces));
    for piece in [0, 77_777, pieces - 1] {
        let peer = set(pieces, &[piece]);
        availability.add(&peer);
        for seed in 0..10 {
            let chosen = availability.choose(&peer, Preference::Rarest, &mut rng(seed));
            assert_eq!(chosen, Some(PieceIndex::new(piece)));
        }
        availability.finish(PieceIndex::new(piece));
        assert_eq!(
            availability.choose(&peer, Preference::Rarest, &mut rng(0)),
            None
        );
    }
}

#[test]
fn eleven_bytes_a_piece() {
    let pieces = 1 << 16;
    let availability = listed(pieces);
    let bytes = availability.relative.capacity() * 2
        + availability.places.capacity() * 4
        + availability.order.capacity() * 4
        + availability.listed.as_bytes().len();
    assert!(bytes <= 11 * pieces as usize);
}

#[derive(Clone, Debug)]
enum Op {
    Join(Bitfield),
    Leave(prop::sample::Index),
    Has(prop::sample::Index, u32),
    Lost(prop::sample::Index, u32),
    Begin(u32),
    Finish(u32),
    Relist(u32),
    Choose(prop::sample::Index),
}

proptest! {
    #[test]
    fn counts_and_order_follow_the_peers(
        ops in prop::collection::vec(op(), 0..60),
        seed: u64,
    ) {
        let mut availability = listed(PIECES);
        let mut peers: Vec<Bitfield> = Vec::new();
        let mut rng = rng(seed);
        for op in ops {
            match op {
                Op::Join(pieces) => {
                    availability.add(&pieces);
                    peers.push(pieces);
                }
                Op::Leave(_) | Op::Has(..) | Op::Lost(..) | Op::Choose(_) if peers.is_empty() => {}
                Op::Leave(peer) => {
                    let pieces = peers.swap_remove(peer.index(peers.len()));
                    availability.subtract(&pieces);
                }
                Op::Has(peer, piece) => {
                    let peer = peer.index(peers.len());
                    if peers[peer].insert(PieceIndex::new(piece)) {
                        availability.increase(PieceIndex::new(piece));
                    }
                }
                Op::Lost(peer, piece) => {
                    let peer = peer.index(peers.len());
                    if peers[peer].remove(PieceIndex::new(piece)) {
                        availability.decrease(PieceIndex::new(piece));
                    }
                }
                Op::Begin(piece) => availability.begin(PieceIndex::new(piece), piece),
                Op::Finish(piece) => availability.finish(PieceIndex::new(piece)),
                Op::Relist(piece) => availability.relist(PieceIndex::new(piece)),
                Op::Choose(peer) => {
                    let peer = &peers[peer.index(peers.len())];
                    let common = || peer.iter_ones().filter(|&p| availability.listed.get(p));
                    let rarest = common().map(|piece| availability.of(piece)).min();
                    let chosen = availability.choose(peer, Preference::Rarest, &mut rng);
                    prop_assert!(chosen.is_none_or(|chosen| common().any(|p| p == chosen)));
                    prop_assert_eq!(chosen.map(|piece| availability.of(piece)), rarest);
                    prop_assert_eq!(common().count() as u32, count_common(peer, availability.listed()));
                }
            }
            availability.check_invariants(peers.iter());
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let piece = 0..PIECES;
    let pieces = prop_oneof![
        3 => prop::collection::vec(0..PIECES, 0..10).prop_map(|pieces| set(PIECES, &pieces)),
        1 => Just(Bitfield::full(PIECES)),
        1 => prop::collection::vec(0..PIECES, 0..3).prop_map(|lacking| {
            let mut pieces = Bitfield::full(PIECES);
            for piece in lacking {
                pieces.remove(PieceIndex::new(piece));
            }
            pieces
        }),
    ];
    prop_oneof![
        pieces.prop_map(Op::Join),
        any::<prop::sample::Index>().prop_map(Op::Leave),
        (any::<prop::sample::Index>(), piece.clone())
            .prop_map(|(peer, piece)| Op::Has(peer, piece)),
        (any::<prop::sample::Index>(), piece.clone())
            .prop_map(|(peer, piece)| Op::Lost(peer, piece)),
        piece.clone().prop_map(Op::Begin),
        piece.clone().prop_map(Op::Finish),
        piece.prop_map(Op::Relist),
        any::<prop::sample::Index>().prop_map(Op::Choose),
    ]
}

/// Fewer than are searched whole, so that the choice is exact.
const PIECES: u32 = 40;

fn listed(pieces: u32) -> Availability {
    Availability::new(pieces, |_| true)
}

fn set(len: u32, pieces: &[u32]) -> Bitfield {
    let mut set = Bitfield::new(len);
    for &piece in pieces {
        set.insert(PieceIndex::new(piece));
    }
    set
}

fn rng(seed: u64) -> ChaCha12Rng {
    use rand_chacha::rand_core::SeedableRng;
    ChaCha12Rng::seed_from_u64(seed)
}
