//! Who begins with a link and a single address: the metadata and the other peers from peers.

use std::{net::SocketAddr, time::Duration};

use bt_sim::{Access, Rate};
use bt_swarm::Event;
use bt_tests::{MetadataLie, NodeSpec, World, WorldConfig};
use bt_types::PeerSource;

/// Only the seed has the metadata, and three in ten of the others lie about it.
#[test]
fn liars_about_the_metadata_keep_it_from_nobody() {
    for seed in 1..=3 {
        let mut world = World::new(WorldConfig {
            exchange_metadata: true,
            ..config(seed)
        });
        world.add(NodeSpec::seed(access()));
        let lies = [
            MetadataLie::Bytes,
            MetadataLie::Size,
            MetadataLie::Bytes,
            MetadataLie::Refusal,
            MetadataLie::Silence,
            MetadataLie::Bytes,
        ];
        let liars: Vec<_> = lies
            .into_iter()
            .map(|lie| {
                world.add(NodeSpec {
                    metadata_lie: Some(lie),
                    ..NodeSpec::leecher(access())
                })
            })
            .collect();
        let others: Vec<_> = (0..14)
            .map(|_| {
                world.add(NodeSpec {
                    knows_metadata: false,
                    ..NodeSpec::leecher(access())
                })
            })
            .collect();
        let report = world.run(Duration::from_secs(1800));
        let mut bans = 0;
        for &node in &others {
            assert!(report.nodes[node].completed_at.is_some(), "{report}");
            let learnt_at = report.nodes[node].learnt_at.expect("all learn it");
            assert!(learnt_at < Duration::from_secs(60), "{learnt_at:?}");
            for (_, event) in world.events(node) {
                let Event::PeerBanned { peer, .. } = event else {
                    continue;
                };
                assert!(
                    liars.iter().any(|&liar| is_host(&world, liar, *peer)),
                    "{peer}"
                );
                bans += 1;
            }
        }
        assert!(bans > 0, "nobody was lied to");
    }
}

/// Who tells of others does not matter: nobody needs a tracker.
#[test]
fn who_knows_one_peer_finds_the_others() {
    let mut world = World::new(WorldConfig {
        exchange_metadata: true,
        pex: true,
        only_named: Some(0),
        ..config(4)
    });
    world.add(NodeSpec::seed(access()));
    let leechers: Vec<_> = (0..20)
        .map(|n| {
            world.add(NodeSpec {
                knows_metadata: n % 2 == 0,
                joins_at: Duration::from_secs(n),
                ..NodeSpec::leecher(access())
            })
        })
        .collect();
    let report = world.run(Duration::from_secs(1800));
    assert_eq!(report.completion_times().len(), leechers.len(), "{report}");
    // Alone with the seed they would share its line: more than nine minutes.
    assert!(report.ended_at < Duration::from_secs(180), "{report}");
    for &node in &leechers {
        let sources = report.nodes[node].stats.sources;
        let (pex, incoming) = (
            sources.of(PeerSource::Pex),
            sources.of(PeerSource::Incoming),
        );
        assert_eq!(sources.of(PeerSource::Tracker).named, 1);
        assert!(pex.named + incoming.named >= 5, "{sources:?}");
        assert!(pex.connected <= pex.named);
    }
}

fn is_host(world: &World, node: usize, peer: SocketAddr) -> bool {
    world.addr(node).ip() == peer.ip()
}

/// 32 MiB; a dictionary of 40 KB, which is three blocks.
fn config(seed: u64) -> WorldConfig {
    WorldConfig {
        piece_count: 2048,
        piece_length: 16 * 1024,
        ..WorldConfig::common(seed)
    }
}

fn access() -> Access {
    Access {
        up: Rate::mbit_per_sec(10),
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    }
}
