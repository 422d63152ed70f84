use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::K;

const RULES: Rules = Rules {
    trusts_local: true,
    prefers_bound_ids: false,
};
const OWN: NodeId = NodeId([0; 20]);

/// A node whose id shares `bits` bits with ours; all in /24s of their own.
fn node(bits: usize, n: u32) -> Contact {
    let mut id = [0; 20];
    id[bits / 8] = 0x80 >> (bits % 8);
    id[16..].copy_from_slice(&n.to_be_bytes());
    let ip = Ipv4Addr::from_bits(0x0b00_0000 + ((bits as u32) << 16) + (n << 8) + 1);
    Contact {
        id: NodeId(id),
        addr: SocketAddr::from((ip, 6881)),
    }
}

struct World {
    now: Instant,
    table: Table,
}

impl World {
    fn new(rules: Rules) -> Self {
        let now = crate::test_epoch();
        Self {
            now,
            table: Table::new(OWN, rules),
        }
    }

    fn answer(&mut self, contact: Contact) -> Insertion {
        let insertion = self.table.heard_answer(self.now, contact);
        self.table.check_invariants();
        insertion
    }

    fn fail(&mut self, contact: Contact, times: usize) {
        for _ in 0..times {
            self.table.failed(contact);
            self.table.check_invariants();
        }
    }

    fn wait(&mut self, minutes: u64) {
        self.now += Duration::from_secs(60 * minutes);
    }

    fn has(&self, contact: Contact) -> bool {
        self.table.iter().any(|entry| entry.contact() == contact)
    }

    fn doubtful(&mut self) -> Vec<Contact> {
        let mut asked = Vec::new();
        self.table.doubtful(self.now, |contact| asked.push(contact));
        asked
    }
}

#[test]
fn only_the_bucket_of_our_own_id_splits() {
    let mut world = World::new(RULES);
    for n in 0..8 {
        assert_eq!(world.answer(node(0, n)), Insertion::Live);
    }
    assert_eq!(world.answer(node(0, 8)), Insertion::Spare);
    for bits in 1..20 {
        for n in 0..8 {
            assert_eq!(world.answer(node(bits, n)), Insertion::Live, "{bits}");
        }
        assert_eq!(world.answer(node(bits, 8)), Insertion::Spare, "{bits}");
    }
    assert_eq!((world.table.len(), world.table.bucket_count()), (160, 21));
}

#[test]
fn who_does_not_answer_makes_room() {
    let mut world = World::new(RULES);
    (0..9).for_each(|n| _ = world.answer(node(0, n)));
    world.fail(node(0, 3), 1);
    assert!(world.has(node(0, 3)) && !world.has(node(0, 8)));
    world.fail(node(0, 3), 1);
    assert!(!world.has(node(0, 3)) && world.has(node(0, 8)));
    // Nobody waits any more: it stays, in case the fault is ours, but is not named to others.
    world.fail(node(0, 4), 2);
    assert!(world.has(node(0, 4)));
    let closest = world.table.closest(world.now, node(0, 4).id, false);
    assert!(closest.iter().all(|contact| contact != node(0, 4)));
    let closest = world.table.closest(world.now, node(0, 4).id, true);
    assert_eq!(closest.iter().next(), Some(node(0, 4)));
    // A newcomer takes its place.
    assert_eq!(world.answer(node(0, 9)), Insertion::Live);
    assert!(!world.has(node(0, 4)));
    world.fail(node(0, 5), 20);
    assert!(!world.has(node(0, 5)));
}

#[test]
fn who_answers_again_is_good_again() {
    let mut world = World::new(RULES);
    world.answer(node(0, 0));
    world.fail(node(0, 0), 5);
    world.answer(node(0, 0));
    let closest = world.table.closest(world.now, OWN, false);
    assert_eq!(closest.iter().collect::<Vec<_>>(), [node(0, 0)]);
}

#[test]
fn nodes_become_questionable_after_a_quarter_of_an_hour() {
    let mut world = World::new(RULES);
    world.answer(node(0, 0));
    world.wait(5);
    world.answer(node(0, 1));
    world.wait(9);
    assert_eq!(world.doubtful(), []);
    world.wait(1);
    assert_eq!(world.doubtful(), [node(0, 0)]);
    // Asked, it is left alone for a minute.
    assert_eq!(world.doubtful(), []);
    world.wait(1);
    assert_eq!(world.doubtful(), [node(0, 0)]);
    // Who asks us is there.
    world.wait(1);
    assert!(!world.table.heard_query(world.now, node(0, 0)));
    assert_eq!(world.doubtful(), []);
}

#[test]
fn strangers_that_ask_are_wanted_where_there_is_room() {
    let mut world = World::new(RULES);
    assert!(world.table.heard_query(world.now, node(0, 0)));
    (0..8).for_each(|n| _ = world.answer(node(0, n)));
    (0..8).for_each(|n| _ = world.answer(node(1, n)));
    assert!(!world.table.heard_query(world.now, node(0, 9)));
    // The last bucket can be split.
    assert!(world.table.heard_query(world.now, node(1, 9)));
    let myself = Contact {
        id: OWN,
        ..node(0, 9)
    };
    assert!(!world.table.heard_query(world.now, myself));
    assert_eq!(world.answer(myself), Insertion::Refused);
}

#[test]
fn one_node_an_address() {
    let mut world = World::new(RULES);
    world.answer(node(0, 0));
    let other_port = Contact {
        addr: SocketAddr::new(node(0, 0).addr.ip(), 7),
        ..node(5, 1)
    };
    assert_eq!(world.answer(other_port), Insertion::Refused);
    // The same port with another id: that node has changed its id.
    let other_id = Contact {
        addr: node(0, 0).addr,
        ..node(5, 1)
    };
    assert_eq!(world.answer(other_id), Insertion::Live);
    assert!(!world.has(node(0, 0)));
    // The same id from elsewhere: an impostor, while the first one answers.
    let impostor = Contact {
        addr: node(3, 3).addr,
        ..other_id
    };
    assert_eq!(world.answer(impostor), Insertion::Refused);
    world.fail(other_id, 2);
    assert_eq!(world.answer(impostor), Insertion::Live);
    assert!(!world.has(other_id));
}

#[test]
fn neighbours_do_not_fill_a_bucket() {
    let mut world = World::new(RULES);
    let neighbour = |n: u8| Contact {
        addr: SocketAddr::from(([198, 51, 100, n], 6881)),
        ..node(0, n.into())
    };
    assert_eq!(world.answer(neighbour(1)), Insertion::Live);
    assert_eq!(world.answer(neighbour(2)), Insertion::Live);
    assert_eq!(world.answer(neighbour(3)), Insertion::Refused);
    // In our own network they may, if we are told so.
    let local = |n: u8| Contact {
        addr: SocketAddr::from(([127, 0, 0, 1], 6881 + u16::from(n))),
        ..node(1, n.into())
    };
    assert!((0..6).all(|n| world.answer(local(n)) == Insertion::Live));
    let mut world = World::new(Rules {
        trusts_local: false,
        ..RULES
    });
    assert_eq!(world.answer(local(0)), Insertion::Live);
    assert_eq!(world.answer(local(1)), Insertion::Refused);
}

#[test]
fn bound_ids_come_first() {
    let rules = Rules {
        prefers_bound_ids: true,
        ..RULES
    };
    let mut world = World::new(rules);
    (0..8).for_each(|n| _ = world.answer(node(0, n)));
    (0..8).for_each(|n| _ = world.answer(node(1, n)));
    let bound = |n: u8| {
        let addr = SocketAddr::from(([93, 184, n, 34], 6881));
        let id = (0..=255).map(|last| {
            let mut random = [n; 20];
            random[19] = last;
            NodeId::for_address(addr.ip(), random)
        });
        let mut id = id.filter(|id| id.common_bits(OWN) == 0);
        Contact {
            id: id.next().unwrap(),
            addr,
        }
    };
    for n in 0..8 {
        assert_eq!(world.answer(bound(n)), Insertion::Live);
    }
    assert_eq!(world.answer(bound(8)), Insertion::Spare);
    assert!((0..8).all(|n| world.has(bound(n))));
}

#[test]
fn another_id_keeps_the_nodes() {
    let mut world = World::new(RULES);
    (0..4).for_each(|bits| (0..8).for_each(|n| _ = world.answer(node(bits, n))));
    let id = node(3, 77).id;
    world.table.change_id(world.now, id);
    world.table.check_invariants();
    assert_eq!(world.table.own_id(), id);
    assert!(world.table.len() >= 24, "{}", world.table.len());
}

#[test]
fn the_most_neglected_bucket_is_found() {
    let mut world = World::new(RULES);
    (0..3).for_each(|bits| (0..8).for_each(|n| _ = world.answer(node(bits, n))));
    world.answer(node(3, 0));
    for bits in [2, 0, 1] {
        world.wait(1);
        world.table.is_refreshed(world.now, node(bits, 1).id);
    }
    let started = world.now - Duration::from_secs(120);
    assert_eq!(world.table.stalest(), (3, None));
    world.table.is_refreshed(world.now, OWN);
    assert_eq!(world.table.stalest(), (2, Some(started)));
}

proptest! {
    /// Whatever answers and fails: the table keeps its promises, and finds the same nodes as who
    /// looks at all of them.
    #[test]
    fn the_closest_are_found(
        steps in prop::collection::vec((0_usize..24, 0_u32..12, 0_u8..4), 1..300),
        target: [u8; 20],
        near in 0_usize..24,
    ) {
        let mut world = World::new(RULES);
        for (bits, n, step) in steps {
            match step {
                0 => world.fail(node(bits, n), 1),
                1 => _ = world.table.heard_query(world.now, node(bits, n)),
                _ => _ = world.answer(node(bits, n)),
            }
        }
        let mut targets = vec![NodeId(target), OWN, node(near, 3).id];
        targets.push(node(near, 1000).id);
        for target in targets {
            let mut all: Vec<_> = world.table.iter().filter(|entry| !entry.is_bad()).collect();
            all.sort_by_key(|entry| target.distance(entry.id));
            let expected = all.iter().take(K).map(|entry| entry.contact());
            let found = world.table.closest(world.now, target, false);
            // Those that failed once are not good, so that more of the table is looked at.
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}
