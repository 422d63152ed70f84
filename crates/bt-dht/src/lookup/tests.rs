use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    own: NodeId([0xff; 20]),
    parallel: 3,
    trusts_local: false,
    enforces_bound_ids: false,
};
const TARGET: NodeId = NodeId([0; 20]);

/// The smaller `n`, the closer; each in a neighbourhood of its own.
fn node(n: u32) -> Contact {
    let mut id = [0; 20];
    id[..4].copy_from_slice(&n.to_be_bytes());
    let [_, b, c, d] = n.to_be_bytes();
    Contact {
        id: NodeId(id),
        addr: SocketAddr::from(([11 + b, c, d, 1], 6881)),
    }
}

fn ids(asks: &[Ask]) -> Vec<SocketAddr> {
    asks.iter().map(|ask| ask.addr).collect()
}

fn all_next(lookup: &mut Lookup) -> Vec<Ask> {
    std::iter::from_fn(|| lookup.next()).collect()
}

/// A world in which node `n` knows nodes `n / 2` and some around; silent ones do not answer.
fn run(lookup: &mut Lookup, is_silent: impl Fn(u32) -> bool) {
    let mut asked = Vec::new();
    loop {
        asked.extend(all_next(lookup));
        let Some(ask) = asked.pop() else { break };
        let n = u32::from_be_bytes(*ask.id.unwrap().0.first_chunk().unwrap());
        if is_silent(n) {
            lookup.is_slow(ask.addr);
            asked.extend(all_next(lookup));
            lookup.failed(ask.addr);
            continue;
        }
        lookup.answered(node(n), Some(b"token"));
        for near in (n / 2).saturating_sub(4)..n / 2 + 4 {
            lookup.named(ask.addr, node(near));
        }
    }
    assert!(lookup.is_done());
}

#[test]
fn asks_a_few_at_a_time_closest_first() {
    let mut lookup = Lookup::new(TARGET, RULES);
    for n in [50, 10, 40, 20, 30] {
        lookup.add_known(node(n));
    }
    assert_eq!(
        ids(&all_next(&mut lookup)),
        [10, 20, 30].map(|n| node(n).addr)
    );
    lookup.answered(node(20), None);
    lookup.named(node(20).addr, node(5));
    assert_eq!(ids(&all_next(&mut lookup)), [node(5).addr]);
    // Who is slow does not hold up the others.
    lookup.is_slow(node(10).addr);
    assert_eq!(ids(&all_next(&mut lookup)), [node(40).addr]);
    assert!(!lookup.is_done());
    for n in [5, 10, 30, 40] {
        lookup.answered(node(n), None);
    }
    assert_eq!(ids(&all_next(&mut lookup)), [node(50).addr]);
    lookup.failed(node(50).addr);
    assert!(lookup.is_done());
    let figures = lookup.figures();
    assert_eq!(
        (figures.queries, figures.replies, figures.failures),
        (6, 5, 1)
    );
    assert_eq!(figures.depth, 2);
}

#[test]
fn ends_when_the_eight_closest_have_answered() {
    let mut lookup = Lookup::new(TARGET, RULES);
    lookup.add_known(node(4000));
    run(&mut lookup, |_| false);
    assert_eq!(lookup.found(), (0..8).map(node).collect::<Vec<_>>());
    assert_eq!(lookup.tokens().count(), 8);
    // From 4000 to 8 by halves.
    assert!(lookup.figures().depth >= 9, "{:?}", lookup.figures());

    let mut lookup = Lookup::new(TARGET, RULES);
    lookup.add_known(node(4000));
    run(&mut lookup, |n| n % 3 == 2);
    let expected = (0..12).filter(|n| n % 3 != 2).map(node);
    assert_eq!(lookup.found(), expected.collect::<Vec<_>>());
}

#[test]
fn nobody_to_ask_is_an_end() {
    let mut lookup = Lookup::new(TARGET, RULES);
    assert!(lookup.is_done());
    lookup.add_known(node(1));
    assert!(!lookup.is_done());
    run(&mut lookup, |_| true);
    assert_eq!(lookup.found(), []);
}

#[test]
fn the_way_in_may_be_an_address() {
    let mut lookup = Lookup::new(TARGET, RULES);
    lookup.add_nameless(node(9).addr);
    lookup.add_nameless(node(9).addr);
    let expected = Ask {
        addr: node(9).addr,
        id: None,
    };
    assert_eq!(all_next(&mut lookup), [expected]);
    assert!(!lookup.is_done());
    lookup.answered(node(9), None);
    assert!(lookup.is_done());
    assert_eq!(lookup.found(), [node(9)]);
}

#[test]
fn we_and_twins_are_no_candidates() {
    let mut lookup = Lookup::new(TARGET, RULES);
    lookup.add_known(Contact {
        id: RULES.own,
        ..node(1)
    });
    lookup.add_known(node(2));
    // Another id at the same address, the same id elsewhere.
    lookup.add_known(Contact {
        id: node(1).id,
        ..node(2)
    });
    lookup.add_known(Contact {
        addr: node(3).addr,
        ..node(2)
    });
    assert_eq!(ids(&all_next(&mut lookup)), [node(2).addr]);
    lookup.answered(node(2), None);
    lookup.named(
        node(2).addr,
        Contact {
            addr: "127.0.0.1:1".parse().unwrap(),
            ..node(7)
        },
    );
    lookup.named(
        node(2).addr,
        Contact {
            addr: "11.0.9.9:0".parse().unwrap(),
            ..node(8)
        },
    );
    assert!(lookup.is_done());
}

#[test]
fn a_neighbourhood_has_two_votes() {
    let mut lookup = Lookup::new(TARGET, RULES);
    lookup.add_known(node(1_000_000));
    all_next(&mut lookup);
    lookup.answered(node(1_000_000), None);
    for n in 0..100 {
        let sybil = Contact {
            addr: SocketAddr::from(([198, 51, 100, n], 1)),
            ..node(n.into())
        };
        lookup.named(node(1_000_000).addr, sybil);
    }
    assert_eq!(all_next(&mut lookup).len(), 2);
}

#[test]
fn unbound_ids_do_not_count_if_that_is_the_rule() {
    let mut lookup = Lookup::new(
        TARGET,
        Rules {
            enforces_bound_ids: true,
            ..RULES
        },
    );
    (0..20).for_each(|n| lookup.add_known(node(n)));
    run(&mut lookup, |_| false);
    // None of them fits its address, so all of them are asked.
    assert!(lookup.figures().queries >= 20);
}

#[test]
fn liars_cannot_lead_it_on_for_ever() {
    let mut lookup = Lookup::new(TARGET, RULES);
    let mut n = 200 << 8;
    lookup.add_known(node(n));
    while let Some(ask) = lookup.next() {
        lookup.answered(node(n), None);
        n -= 1 << 8;
        lookup.named(ask.addr, node(n));
    }
    assert!(lookup.is_done());
    assert_eq!(lookup.figures().queries, MAX_QUERIES);
}

proptest! {
    /// Whatever happens to queries: the look-up ends, and asks nobody twice.
    #[test]
    fn always_ends(
        known in prop::collection::vec(0_u32..500, 1..20),
        fates in prop::collection::vec(0_u8..4, 1..60),
    ) {
        let mut lookup = Lookup::new(TARGET, RULES);
        known.iter().for_each(|n| lookup.add_known(node(*n)));
        let (mut open, mut asked) = (Vec::new(), BTreeSet::new());
        for fate in fates.iter().cycle().take(5000) {
            for ask in all_next(&mut lookup) {
                prop_assert!(asked.insert(ask.addr), "asked twice");
                open.push(ask);
            }
            if open.is_empty() {
                break;
            }
            let ask = open.remove(usize::from(*fate) % open.len());
            let n = u32::from_be_bytes(*ask.id.unwrap().0.first_chunk().unwrap());
            match fate {
                0 => {
                    lookup.is_slow(ask.addr);
                    open.push(ask);
                    if open.len() > 20 { lookup.failed(open.remove(0).addr); }
                }
                1 => lookup.failed(ask.addr),
                _ => {
                    lookup.answered(node(n), Some(b"t"));
                    (n / 2..n / 2 + 5).for_each(|near| lookup.named(ask.addr, node(near)));
                }
            }
        }
        for ask in open {
            lookup.failed(ask.addr);
            prop_assert!(lookup.figures().queries <= MAX_QUERIES);
        }
        while let Some(ask) = lookup.next() {
            lookup.failed(ask.addr);
        }
        prop_assert!(lookup.is_done());
    }
}
