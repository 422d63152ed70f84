//! Disks that refuse, and work again.

use bt_types::{Bitfield, PieceIndex};

use super::*;
use crate::{DiskRefusal, testing::Node};

#[test]
fn what_a_full_disk_refuses_is_kept_and_written_later() {
    let info = torrent(64 * 1024, 4 * MIB);
    for refusal in [DiskRefusal::Write, DiskRefusal::Missing] {
        let mut net = Net::new();
        let (seed, leech, other) = (net.seed(&info), small(&mut net, &info), net.leech(&info));
        net.tell(leech, &[seed]);
        half_way(&mut net, leech, |net| {
            net.nodes[leech].disk_refuses = vec![refusal];
        });
        net.advance(secs(5));
        let had = net.nodes[leech].swarm.stats(net.now).pieces_verified;
        let requests = net.nodes[leech].requests_sent;
        assert!(net.nodes[leech].swarm.has_disk_trouble() && had < 64);

        // What it has is served meanwhile, and nothing else is claimed.
        net.tell(other, &[leech]);
        net.advance(secs(100));
        let node = &net.nodes[leech];
        assert_eq!(node.requests_sent, requests);
        assert!(node.refused < 100, "{} attempts", node.refused);
        assert_eq!(net.nodes[other].swarm.stats(net.now).pieces_verified, had);
        assert!(connected_to(&net, leech, seed));

        net.nodes[leech].disk_refuses.clear();
        net.complete(leech, secs(60));
        assert_eq!(count(&net.nodes[leech], &Event::DiskRecovered), 1);
        let stats = net.nodes[leech].swarm.stats(net.now);
        assert_eq!((stats.downloaded, stats.wasted.total()), (4 * MIB, 0));
        net.complete(other, secs(100));
    }
}

#[test]
fn a_disk_in_trouble_is_tried_now_and_then_until_it_works() {
    let info = torrent(64 * 1024, MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.nodes[leech].disk_refuses = vec![DiskRefusal::Write];
    net.tell(leech, &[seed]);
    net.advance(secs(2));
    // All that was under way is there, and each piece was refused once at most.
    let begun = net.nodes[leech].refused;
    assert!((1..=2 * 16).contains(&begun), "{begun}");
    net.advance(secs(600));
    let attempts = net.nodes[leech].refused - begun;
    assert!((20..=26).contains(&attempts), "{attempts} in ten minutes");
    net.nodes[leech].disk_refuses.clear();
    net.complete(leech, secs(31));
}

#[test]
fn memory_that_others_need_is_given_up_and_fetched_again() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.nodes[leech].disk_refuses = vec![DiskRefusal::Write];
    net.nodes[leech].held_disk = Some(Vec::new());
    net.tell(leech, &[seed]);
    net.advance(secs(10));
    net.release_disk(leech);
    let swarm = &mut net.nodes[leech].swarm;
    let held = swarm.memory_bytes();
    assert!(held > 512 * 1024, "{held}");
    assert_eq!(swarm.demand(net.now).memory_bytes.wanted, held);
    let grant = Grant {
        memory_bytes: 256 * 1024,
        ..Grant::default()
    };
    swarm.set_grant(net.now, grant);
    net.run();
    assert!(net.nodes[leech].swarm.memory_bytes() <= 256 * 1024);
    net.nodes[leech].disk_refuses.clear();
    net.complete(leech, secs(60));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(stats.downloaded, 4 * MIB + stats.wasted.total());
    assert!(stats.wasted.total() > 0);
}

#[test]
fn who_cannot_read_serves_nobody_until_it_can() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), small(&mut net, &info));
    net.tell(leech, &[seed]);
    half_way(&mut net, leech, |net| {
        net.nodes[seed].disk_refuses = vec![DiskRefusal::Read];
    });
    net.advance(secs(5));
    assert!(net.nodes[seed].swarm.has_disk_trouble());
    let all_choked = |net: &Net| {
        net.nodes[seed]
            .swarm
            .peers(net.now)
            .all(|peer| peer.am_choking)
    };
    assert!(all_choked(&net) && connected_to(&net, leech, seed));
    let begun = net.nodes[seed].refused;
    net.advance(secs(60));
    let attempts = net.nodes[seed].refused - begun;
    assert!(attempts <= 8, "{attempts} in a minute");
    assert!(all_choked(&net));
    assert!(net.nodes[seed].swarm.is_complete(), "nothing is lost");

    net.nodes[seed].disk_refuses.clear();
    net.complete(leech, secs(60));
    assert_eq!(count(&net.nodes[seed], &Event::DiskRecovered), 1);
}

#[test]
fn what_is_gone_from_the_disk_is_taken_back_and_fetched_again() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut net = Net::new();
    let (seed, leech, other) = (net.seed(&info), net.leech(&info), net.leech(&info));
    net.tell(leech, &[seed]);
    net.complete(leech, secs(60));
    net.nodes[leech].gone = (10..20).map(PieceIndex::new).collect();
    net.tell(other, &[leech]);
    net.tell(leech, &[seed]);
    net.complete(other, secs(300));
    assert!(net.nodes[leech].swarm.is_complete());
    let lost = net.nodes[leech].events.iter();
    let lost = lost.filter(|event| matches!(event, Event::PieceLost(_)));
    assert_eq!(lost.count(), 10);
    assert_eq!(count(&net.nodes[leech], &Event::DiskRecovered), 1);
}

/// A disk has been unplugged, and plugged in again: what it had not taken is read anew, and only that.
#[test]
fn what_may_be_lost_is_read_anew() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut swarm = with_memory(&info, Bitfield::full(64), 32 << 20);
    let mut now = epoch();
    swarm.handle_disk(now, DiskDone::Failed(DiskJob::Survey, DiskRefusal::Read));
    let mut read = Vec::new();
    for _ in 0..10 {
        for action in drain(&mut swarm) {
            let done = match action {
                Action::Disk(DiskJob::Survey) => DiskDone::Surveyed {
                    missing: Vec::new(),
                    doubtful: [3, 7].map(PieceIndex::new).into(),
                },
                Action::Disk(DiskJob::Verify { piece, blocks, .. }) => {
                    assert!(blocks.is_empty());
                    read.push(piece.get());
                    match piece.get() {
                        3 => DiskDone::Corrupt {
                            piece,
                            block_digests: Vec::new(),
                        },
                        _ => DiskDone::Verified {
                            piece,
                            block_digests: Vec::new(),
                        },
                    }
                }
                _ => continue,
            };
            swarm.handle_disk(now, done);
        }
        now += secs(1);
        swarm.handle_timeout(now);
    }
    assert_eq!(read, [3, 7]);
    let events: Vec<_> = std::iter::from_fn(|| swarm.poll_event()).collect();
    assert!(events.contains(&Event::PieceLost(PieceIndex::new(3))));
    assert!(events.contains(&Event::DiskRecovered));
    assert_eq!(swarm.stats(now).pieces_verified, 63);
}

/// The part file has gone. Whoever has it looked at learns which pieces were in it.
#[test]
fn what_is_lost_beside_the_files_puts_nothing_else_in_doubt() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut swarm = with_memory(&info, Bitfield::full(64), 32 << 20);
    let mut now = epoch();
    let refused = DiskDone::Failed(DiskJob::Survey, DiskRefusal::MissingBeside);
    swarm.handle_disk(now, refused);
    let mut surveys = 0;
    for _ in 0..10 {
        for action in drain(&mut swarm) {
            let Action::Disk(job) = action else { continue };
            assert!(matches!(job, DiskJob::Survey), "nothing is read: {job:?}");
            surveys += 1;
            let missing = vec![PieceIndex::new(3)];
            let doubtful = Vec::new();
            swarm.handle_disk(now, DiskDone::Surveyed { missing, doubtful });
        }
        now += secs(1);
        swarm.handle_timeout(now);
    }
    assert_eq!(surveys, 1);
    let events: Vec<_> = std::iter::from_fn(|| swarm.poll_event()).collect();
    assert!(events.contains(&Event::PieceLost(PieceIndex::new(3))));
    assert!(events.contains(&Event::DiskRecovered));
    assert_eq!(swarm.stats(now).pieces_verified, 63);
}

#[test]
fn who_only_serves_waits_for_what_is_gone() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut net = Net::new();
    let full = Bitfield::full(64);
    let seed = net.add_with(&info, full, |config| config.only_serves = true);
    let leech = net.leech(&info);
    net.nodes[seed].gone = (10..20).map(PieceIndex::new).collect();
    net.tell(leech, &[seed]);
    net.advance(secs(200));
    let had = |net: &Net, node: usize| net.nodes[node].swarm.stats(net.now).pieces_verified;
    assert_eq!((had(&net, seed), had(&net, leech)), (54, 54));
    assert_eq!(net.nodes[seed].requests_sent, 0);
    assert!(net.nodes[seed].swarm.has_disk_trouble());
    net.nodes[seed].gone.clear();
    net.complete(leech, secs(100));
    assert_eq!(had(&net, seed), 64);
    let events = &net.nodes[seed].events;
    assert!(!events.contains(&Event::Completed), "it was before");
    assert_eq!(count(&net.nodes[seed], &Event::DiskRecovered), 1);
}

/// The hash of a piece fails because of what our disk has lost.
#[test]
fn nobody_is_banned_for_blocks_that_our_disk_has_lost() {
    let info = torrent(MIB as u32, 8 * MIB);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let leech = net.add_with(&info, Bitfield::new(8), |config| {
        config.grant.memory_bytes = MIB as usize / 2;
    });
    net.tell(leech, &[seed]);
    while net.nodes[leech].spills < 5 {
        net.advance(Duration::from_millis(10));
    }
    net.nodes[leech].disk_refuses = vec![DiskRefusal::Missing];
    net.advance(secs(1));
    net.nodes[leech].lose_spilled();
    net.nodes[leech].disk_refuses.clear();
    net.complete(leech, secs(100));
    let events = &net.nodes[leech].events;
    let is_blame =
        |event: &&Event| matches!(event, Event::PieceFailed { .. } | Event::PeerBanned { .. });
    assert_eq!(events.iter().find(is_blame), None);
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(stats.downloaded, 8 * MIB + stats.wasted.total());
}

#[test]
fn a_torrent_that_waits_for_its_disk_can_be_stopped() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.nodes[leech].disk_refuses = vec![DiskRefusal::Write];
    net.tell(leech, &[seed]);
    net.advance(secs(10));
    let refused = net.nodes[leech].refused;
    let now = net.now;
    net.nodes[leech].swarm.stop(now);
    net.advance(secs(100));
    assert_eq!(net.nodes[leech].refused, refused);
    assert_eq!(net.nodes[leech].swarm.memory_bytes(), 0);
}

/// One that cannot have everything in memory.
fn small(net: &mut Net, info: &Arc<Info>) -> usize {
    let have = Bitfield::new(info.layout().piece_count());
    net.add_with(info, have, |config| {
        config.grant.memory_bytes = MIB as usize;
    })
}

/// Something happens when it has some of the pieces and not all.
fn half_way(net: &mut Net, leech: usize, happens: impl FnOnce(&mut Net)) {
    net.nodes[leech].held_disk = Some(Vec::new());
    net.advance(secs(1));
    happens(net);
    net.release_disk(leech);
    let had = net.nodes[leech].swarm.stats(net.now).pieces_verified;
    assert!(had > 0 && !net.nodes[leech].swarm.is_complete(), "{had}");
}

fn count(node: &Node, event: &Event) -> usize {
    node.events.iter().filter(|other| *other == event).count()
}
