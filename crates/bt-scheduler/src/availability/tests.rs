use proptest::prelude::*;

use super::*;

#[test]
fn a_seed_moves_no_piece() {
    let mut availability = listed(100);
    availability.add(&set(100, &[3, 5, 8]));
    let before = order(&availability);
    availability.add(&Bitfield::full(100));
    assert_eq!(order(&availability), before);
    assert_eq!(availability.of(PieceIndex::new(5)), 2);
    assert_eq!(availability.of(PieceIndex::new(6)), 1);
    availability.subtract(&Bitfield::full(100));
    assert_eq!(order(&availability), before);
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
fn eleven_and_a_half_bytes_a_piece() {
    let pieces = 1 << 16;
    let availability = listed(pieces);
    let levels = availability.levels.iter();
    let levels = levels.map(|level| level.order.capacity() * 4 + level.listed.as_bytes().len());
    let bytes = availability.relative.capacity() * 2
        + availability.places.capacity() * 4
        + availability.priorities.capacity()
        + levels.sum::<usize>();
    assert!(2 * bytes <= 23 * pieces as usize, "{bytes}");
}

#[test]
fn the_highest_priority_comes_before_the_rarest() {
    let mut availability = listed(10);
    availability.add(&Bitfield::full(10));
    availability.add(&set(10, &[7, 8]));
    let priorities = [(7, Priority::High), (8, Priority::High), (3, Priority::Low)];
    for (piece, priority) in priorities {
        availability.set_priority(PieceIndex::new(piece), priority);
    }
    let all = Bitfield::full(10);
    assert_eq!(availability.highest_listed(&all), Some(Priority::High));
    let mut rng = rng(3);
    let mut take = |availability: &mut Availability| {
        let piece = availability.choose(&all, Preference::Rarest, &mut rng);
        availability.finish(piece.unwrap());
        piece.unwrap().get()
    };
    let order = [(); 10].map(|()| take(&mut availability));
    assert_eq!(order[0] + order[1], 7 + 8, "{order:?}");
    assert_eq!(order[9], 3, "{order:?}");
    assert_eq!(availability.highest_listed(&all), None);
}

#[test]
fn in_order_within_a_priority() {
    let pieces = 500;
    let mut availability = listed(pieces);
    let all = Bitfield::full(pieces);
    availability.add(&all);
    for piece in [400, 300] {
        availability.set_priority(PieceIndex::new(piece), Priority::First);
    }
    let mut rng = rng(3);
    let mut first = |availability: &mut Availability| {
        let piece = availability
            .choose(&all, Preference::First, &mut rng)
            .unwrap();
        availability.begin(piece, 0);
        piece.get()
    };
    let order: Vec<_> = (0..300).map(|_| first(&mut availability)).collect();
    assert_eq!(order[..2], [300, 400]);
    assert!(order[2..].iter().copied().eq(0..298));
    // What failed is begun again where it is.
    availability.relist(PieceIndex::new(5));
    let order = [(); 4].map(|()| first(&mut availability));
    assert_eq!(order, [5, 298, 299, 301]);
    availability.check_invariants([all.clone()].iter());
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
    SetPriority(u32, Priority),
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
                Op::Relist(piece) => {
                    let piece = PieceIndex::new(piece);
                    if availability.priority(piece) != Priority::Skip {
                        availability.relist(piece);
                    }
                }
                Op::SetPriority(piece, priority) => {
                    availability.set_priority(PieceIndex::new(piece), priority);
                }
                Op::Choose(peer) => {
                    let peer = &peers[peer.index(peers.len())];
                    let listed = |piece: &PieceIndex| availability.is_listed(*piece);
                    let common: Vec<_> = peer.iter_ones().filter(listed).collect();
                    let highest = common.iter().map(|&p| availability.priority(p)).max();
                    let best = common.iter().copied();
                    let best = best.filter(|&p| Some(availability.priority(p)) == highest);
                    let rarest = best.clone().map(|p| availability.of(p)).min();
                    let first = best.min();
                    prop_assert_eq!(availability.count_listed(peer) as usize, common.len());
                    prop_assert_eq!(availability.highest_listed(peer), highest);
                    let chosen = availability.choose(peer, Preference::Rarest, &mut rng);
                    prop_assert!(chosen.is_none_or(|chosen| common.contains(&chosen)));
                    prop_assert_eq!(chosen.map(|p| availability.of(p)), rarest);
                    prop_assert_eq!(chosen.map(|p| availability.priority(p)), highest);
                    let chosen = availability.choose(peer, Preference::First, &mut rng);
                    prop_assert_eq!(chosen, first);
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
        piece.clone().prop_map(Op::Relist),
        (piece, prop::sample::select(&ALL[..]))
            .prop_map(|(piece, priority)| { Op::SetPriority(piece, priority) }),
        any::<prop::sample::Index>().prop_map(Op::Choose),
    ]
}

const ALL: [Priority; 5] = [
    Priority::Skip,
    Priority::Low,
    Priority::Normal,
    Priority::High,
    Priority::First,
];
/// Fewer than are searched whole, so that the choice is exact.
const PIECES: u32 = 40;

fn listed(pieces: u32) -> Availability {
    Availability::new(pieces, |_| true)
}

fn order(availability: &Availability) -> Vec<u32> {
    availability.levels[NORMAL].order.clone()
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
