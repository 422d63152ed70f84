use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn all_are_unchoked_while_slots_suffice() {
    let mut world = World::new(4, 4);
    world.rechoke();
    assert_eq!(world.unchoked(), (0..4).collect::<Vec<_>>());
}

#[test]
fn who_gives_most_keeps_its_slot_and_one_slot_goes_round() {
    let mut world = World::new(4, 20);
    for conn in [3, 11, 17] {
        world.gives[conn] = 1000 * conn as u64;
    }
    let mut seen = BTreeMap::<u64, u32>::new();
    for _ in 0..61 {
        world.rechoke();
        let unchoked = world.unchoked();
        assert_eq!(unchoked.len(), 4);
        for conn in unchoked {
            *seen.entry(conn).or_default() += 1;
        }
        world.now += ROUND;
    }
    for giver in [3, 11, 17] {
        assert!(seen[&giver] >= 55, "{seen:?}");
    }
    // Ten minutes are 20 terms of half a minute for 17 others.
    assert_eq!(seen.len(), 20, "nobody starves: {seen:?}");
}

#[test]
fn without_givers_the_slots_go_round_and_none_is_taken_early() {
    let mut world = World::new(4, 20);
    let mut since = BTreeMap::new();
    let mut turns = BTreeMap::<u64, u32>::new();
    for _ in 0..120 {
        let before = world.unchoked();
        let changes = world.rechoke();
        for conn in &changes.unchoke {
            since.insert(*conn, world.now);
            *turns.entry(conn.0).or_default() += 1;
        }
        let lost_early = changes
            .choke
            .iter()
            .filter(|conn| world.now - since[conn] < TURN);
        assert!(
            lost_early.count() <= 1,
            "all but the optimistic slot last their time"
        );
        assert!(before.is_empty() || changes.choke.len() <= before.len());
        world.now += ROUND;
    }
    assert_eq!(turns.len(), 20);
    let (least, most) = (turns.values().min().unwrap(), turns.values().max().unwrap());
    assert!(most - least <= 2, "{turns:?}");
}

#[test]
fn between_rounds_only_free_slots_are_filled() {
    let mut world = World::new(2, 2);
    world.rechoke();
    world.now += ROUND / 2;
    world.join(1_000_000);
    let none = Rechoke::default();
    assert_eq!(world.rechoke(), none);
    world.peers[0].is_interested = false;
    let changes = world.rechoke();
    assert_eq!(
        (changes.choke, changes.unchoke),
        (vec![ConnId(0)], vec![ConnId(2)])
    );
}

#[test]
fn slots_that_are_lost_are_taken_from_the_worst_and_not_before_the_next_round() {
    let mut world = World::new(4, 2);
    world.join(1000);
    world.join(2000);
    world.rechoke();
    world.choker.set_max_slots(2);
    world.join(9000);
    assert_eq!(world.rechoke(), Rechoke::default());
    world.now += ROUND;
    world.peers.pop();
    assert_eq!(world.rechoke().choke, [ConnId(0), ConnId(1)]);
    world.choker.set_max_slots(3);
    assert_eq!(
        world.rechoke().unchoke.len(),
        1,
        "new ones are filled at once"
    );
}

#[test]
fn a_pause_in_what_a_peer_gives_does_not_cost_it_its_slot() {
    let mut world = World::new(4, 20);
    world.gives[5] = 1_000_000;
    for _ in 0..3 {
        world.rechoke();
        world.now += ROUND;
    }
    world.gives[5] = 0;
    world.gives[6] = 1000;
    for _ in 0..2 {
        world.rechoke();
        world.now += ROUND;
        assert!(world.unchoked().contains(&5));
    }
}

#[test]
fn the_number_of_slots_follows_the_upload_rate() {
    let mut world = World::new(50, 200);
    for (mbit, slots) in [(0, 4), (10, 4), (100, 11), (1000, 35), (1, 4)] {
        // Many rounds apart, each time with a new choker: no try is under way.
        world.choker = Choker::new(50, Evaluator::default(), [7; 32]);
        world.upload_rate = mbit * 125_000;
        world.now += ROUND;
        world.rechoke();
        assert_eq!(world.unchoked().len(), slots, "at {mbit} Mbit/s");
    }
}

#[test]
fn no_slots_no_uploads() {
    let mut world = World::new(2, 5);
    world.rechoke();
    world.choker.set_max_slots(0);
    world.now += ROUND;
    assert_eq!(world.rechoke().choke.len(), 2);
    assert_eq!(world.unchoked(), []);
}

#[test]
fn for_who_rests_somebody_else_gets_a_slot_and_nobody_loses_one() {
    let mut world = World::new(20, 10);
    world.rechoke();
    let first = world.unchoked();
    assert_eq!(first.len(), 4);
    for &conn in &first[..2] {
        world.peers[conn as usize].is_asking = false;
    }
    assert_eq!(world.choker.poll_timeout(), Some(world.now + REVIEW));
    world.now += REVIEW;
    let changes = world.rechoke();
    assert_eq!((changes.choke.len(), changes.unchoke.len()), (0, 2));
    // They ask again: nobody loses the slot that it was given before the next round.
    for peer in &mut world.peers {
        peer.is_asking = true;
    }
    world.now += REVIEW;
    assert_eq!(world.rechoke(), Rechoke::default());
    world.now += ROUND;
    world.rechoke();
    assert_eq!(world.unchoked().len(), 4);
}

#[test]
fn who_only_takes_comes_last_also_for_the_optimistic_slot() {
    let mut world = World::new(4, 20);
    for peer in &mut world.peers[10..] {
        peer.conduct = Conduct::Taking;
    }
    for _ in 0..30 {
        world.rechoke();
        assert!(world.unchoked().iter().all(|&conn| conn < 10));
        world.now += ROUND;
    }
    for peer in &mut world.peers[2..10] {
        peer.is_interested = false;
    }
    world.rechoke();
    assert_eq!(world.unchoked().len(), 4, "what nobody else wants");
}

#[test]
fn who_begins_to_hoard_loses_its_slot_to_somebody_who_waits() {
    let mut world = World::new(4, 5);
    world.rechoke();
    let first = world.unchoked();
    world.peers[first[1] as usize].conduct = Conduct::Hoarding;
    let changes = world.rechoke();
    assert_eq!(changes.choke, [ConnId(first[1])]);
    assert_eq!(changes.unchoke.len(), 1);
    world.peers[changes.unchoke[0].0 as usize].is_interested = false;
    let changes = world.rechoke();
    assert_eq!(changes.unchoke, [ConnId(first[1])], "nobody else wants it");
}

#[test]
fn the_trade_with_a_peer_is_judged_when_it_has_had_its_credit() {
    let judge = Conduct::of_trade;
    assert_eq!(judge(CREDIT - 1, 0), Conduct::Fair);
    assert_eq!(judge(CREDIT, 0), Conduct::Taking);
    assert_eq!(judge(8 * CREDIT, CREDIT), Conduct::Fair);
    assert_eq!(judge(8 * CREDIT, CREDIT - 1), Conduct::Taking);
    assert_eq!(judge(0, u64::MAX), Conduct::Fair);
}

proptest! {
    #[test]
    fn never_more_than_the_slots_nor_fewer_than_possible(
        slots in 0_usize..5,
        seed: [u8; 32],
        steps in prop::collection::vec(
            (0_u64..15, 0_usize..12, any::<bool>(), any::<bool>(), 0_u64..3),
            1..60,
        ),
    ) {
        let mut world = World::new(slots, 12);
        world.choker = Choker::new(slots, Evaluator::default(), seed);
        for (secs, peer, is_interested, is_hoarding, rate) in steps {
            world.now += Duration::from_secs(secs);
            world.peers[peer].is_interested = is_interested;
            world.gives[peer] = rate;
            if is_hoarding {
                world.peers[peer].conduct = Conduct::Hoarding;
            }
            world.rechoke();
            let interested = world.peers.iter().filter(|peer| peer.is_interested).count();
            prop_assert_eq!(world.unchoked().len(), interested.min(slots));
            let idle = |peer: &ChokeCandidate| peer.unchoked_at.is_some() && !peer.is_interested;
            prop_assert!(!world.peers.iter().any(idle));
            prop_assert!(world.choker.poll_timeout().is_some_and(|next| next > world.now));
        }
    }
}

struct World {
    now: Instant,
    choker: Choker,
    peers: Vec<ChokeCandidate>,
    /// What each peer sends us from one look at the slots to the next.
    gives: Vec<u64>,
    upload_rate: u64,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn new(slots: usize, peers: usize) -> Self {
        let mut world = Self {
            now: Instant::now(),
            choker: Choker::new(slots, Evaluator::default(), [7; 32]),
            peers: Vec::new(),
            gives: Vec::new(),
            upload_rate: 0,
        };
        (0..peers).for_each(|_| world.join(0));
        world
    }

    fn join(&mut self, gives: u64) {
        self.gives.push(gives);
        self.peers.push(ChokeCandidate {
            conn: ConnId(self.peers.len() as u64),
            is_interested: true,
            is_asking: true,
            conduct: Conduct::Fair,
            received: 0,
            evidence: Evidence::default(),
            unchoked_at: None,
        });
    }

    fn rechoke(&mut self) -> Rechoke {
        for (peer, gives) in self.peers.iter_mut().zip(&self.gives) {
            peer.received += gives;
        }
        let changes = self.choker.rechoke(self.now, self.upload_rate, &self.peers);
        for peer in &mut self.peers {
            if changes.choke.contains(&peer.conn) {
                assert!(peer.unchoked_at.take().is_some(), "choked twice");
            }
            if changes.unchoke.contains(&peer.conn) {
                assert!(
                    peer.unchoked_at.replace(self.now).is_none(),
                    "unchoked twice"
                );
            }
        }
        changes
    }

    fn unchoked(&self) -> Vec<u64> {
        let unchoked = self.peers.iter().filter(|peer| peer.unchoked_at.is_some());
        unchoked.map(|peer| peer.conn.0).collect()
    }
}
