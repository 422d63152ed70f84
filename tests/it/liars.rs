//! Peers that send wrong bytes now and then, among others who do not.

use std::time::Duration;

use bt_sim::{Access, Rate};
use bt_swarm::Event;
use bt_tests::{Behaviour, NodeSpec, World, WorldConfig};

/// One in five has everything from the start, and corrupts every fifth block that it sends.
#[test]
fn liars_are_banned_by_whoever_they_failed_and_nobody_else_is() {
    let mut by_block = 0;
    for seed in 1..=3 {
        let mut world = World::new(WorldConfig {
            piece_count: 200,
            ..WorldConfig::common(seed)
        });
        world.add(NodeSpec::seed(access()));
        for _ in 0..5 {
            world.add(NodeSpec {
                behaviour: Behaviour::Liar(0.2),
                ..NodeSpec::seed(access())
            });
        }
        let honest: Vec<_> = (0..19)
            .map(|_| world.add(NodeSpec::leecher(access())))
            .collect();
        let report = world.run(Duration::from_secs(3600));
        assert_eq!(report.completion_times().len(), honest.len(), "{report}");
        for node in honest {
            let found = &report.nodes[node];
            assert_eq!(found.banned, found.lied_to_by, "{node} of world {seed}");
            let bans = world.events(node).filter_map(|(_, event)| match event {
                Event::PeerBanned { reason, .. } => Some(reason),
                _ => None,
            });
            by_block += bans.filter(|reason| reason.block().is_some()).count();
        }
    }
    assert!(by_block > 0, "no piece came from several");
}

fn access() -> Access {
    Access {
        up: Rate::mbit_per_sec(10),
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    }
}
