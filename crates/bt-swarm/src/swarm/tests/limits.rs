//! Rates that are limited. How exactly they are held, and shared, is tested on lines with a
//! length, beside the worlds of whole sessions.

use std::num::NonZeroU64;

use bt_scheduler::RateLimits;

use super::*;

fn limited(upload: u64, download: u64) -> Grant {
    Grant {
        rates: RateLimits {
            upload: NonZeroU64::new(upload),
            download: NonZeroU64::new(download),
        },
        ..Grant::default()
    }
}

/// A seed of 64 MiB and who leeches from it.
fn pair() -> (Net, usize, usize) {
    let info = torrent(64 * 1024, 64 * MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.tell(leech, &[seed]);
    (net, seed, leech)
}

fn set(net: &mut Net, node: usize, grant: Grant) {
    let now = net.now;
    net.nodes[node].swarm.set_grant(now, grant);
}

#[test]
fn blocks_go_only_as_fast_as_granted_in_either_direction() {
    for limits in [limited(100_000, 0), limited(0, 100_000)] {
        let (mut net, seed, leech) = pair();
        set(
            &mut net,
            if limits.rates.upload.is_some() {
                seed
            } else {
                leech
            },
            limits,
        );
        net.advance(secs(60));
        let downloaded = net.nodes[leech].swarm.stats(net.now).downloaded;
        assert!(downloaded.abs_diff(6_000_000) < 60_000, "{downloaded}");
    }
}

#[test]
fn who_is_held_back_by_us_is_neither_slow_nor_snubbed_nor_useless() {
    let info = torrent(64 * 1024, 64 * MIB);
    let mut net = Net::new();
    let seeds = [(); 4].map(|()| net.seed(&info));
    let grant = Grant {
        max_peers: 4,
        ..limited(0, 500)
    };
    let leech = net.add_with(&info, Bitfield::new(1024), |config| config.grant = grant);
    net.tell(leech, &seeds);
    net.run();
    // Others would like their places.
    let waiting: Vec<_> = (100..120).map(peer).collect();
    net.nodes[leech]
        .swarm
        .add_peers(net.now, PeerSource::Tracker, waiting);
    // A block every half minute: it takes minutes until each has sent one.
    net.advance(secs(400));
    let swarm = &net.nodes[leech].swarm;
    let picker = &swarm.torrent.as_ref().unwrap().picker;
    for peer in swarm.peers(net.now) {
        let stats = picker.peer_stats(net.now, peer.conn);
        assert!(!stats.is_snubbed && stats.late == 0, "{stats:?}");
        assert!(peer.downloaded > 0, "each has its turn");
    }
    assert_eq!(swarm.stats(net.now).peers_connected, 4);
    assert_eq!(
        net.nodes[leech].requests_sent, 13,
        "and nothing is asked twice"
    );
}

#[test]
fn without_the_limit_everything_flows_at_once() {
    let (mut net, seed, leech) = pair();
    set(&mut net, leech, limited(1, 1));
    net.advance(secs(60));
    assert_eq!(net.nodes[leech].swarm.stats(net.now).downloaded, 16_384);
    set(&mut net, seed, limited(1, 1));
    set(&mut net, leech, Grant::default());
    net.advance(secs(60));
    let downloaded = net.nodes[leech].swarm.stats(net.now).downloaded;
    assert!(
        downloaded <= 2 * 16_384,
        "now the other one waits: {downloaded}"
    );
    set(&mut net, seed, Grant::default());
    net.complete(leech, secs(5));
}

#[test]
fn what_is_under_way_when_the_limit_falls_is_counted_in() {
    let info = torrent(64 * 1024, 64 * MIB);
    let now = epoch();
    let mut swarm = lone(&info);
    let conn = dial_one(&mut swarm, now, peer(1), 1);
    swarm.handle_message(now, conn, Message::HaveAll);
    swarm.handle_message(now, conn, Message::Unchoke);
    let under_way = requests(&mut swarm);
    assert_eq!(under_way.len(), 4);
    swarm.set_grant(now, limited(0, 2 * 16_384));
    let tag = Tag {
        length: 16_384,
        is_good: true,
    };
    for block in under_way {
        swarm.handle_block(now, conn, block, tag);
        assert_eq!(
            requests(&mut swarm),
            [],
            "a second and a half has been used up"
        );
    }
    swarm.handle_timeout(now + Duration::from_millis(1500));
    assert_eq!(requests(&mut swarm), []);
    swarm.handle_timeout(now + Duration::from_millis(1520));
    assert_eq!(requests(&mut swarm).len(), 1);
}

#[test]
fn what_has_been_asked_far_in_advance_is_taken_back_when_the_limit_falls() {
    let info = torrent(64 * 1024, 64 * MIB);
    let start = epoch();
    let mut swarm = lone(&info);
    let conn = dial_one(&mut swarm, start, peer(1), 1);
    swarm.handle_message(start, conn, Message::HaveAll);
    swarm.handle_message(start, conn, Message::Unchoke);
    let (mut asked, mut cancelled) = (VecDeque::new(), 0);
    let mut look = |swarm: &mut Swarm<Tag>, asked: &mut VecDeque<RawBlock>| {
        for action in drain(swarm) {
            match action {
                Action::Send(_, Outgoing::Message(Message::Request(block))) => {
                    asked.push_back(block);
                }
                Action::Send(_, Outgoing::Message(Message::Cancel(block))) => {
                    asked.retain(|asked| *asked != block);
                    cancelled += 1;
                }
                _ => {}
            }
        }
        cancelled
    };
    look(&mut swarm, &mut asked);
    let tag = Tag {
        length: 16_384,
        is_good: true,
    };
    // A hundred blocks a second.
    let mut now = start;
    for _ in 0..300 {
        now += Duration::from_millis(10);
        swarm.handle_block(now, conn, asked.pop_front().unwrap(), tag);
        look(&mut swarm, &mut asked);
    }
    assert!(asked.len() > 35, "{}", asked.len());
    swarm.set_grant(now, limited(0, 16_384));
    let cancelled = look(&mut swarm, &mut asked);
    assert!(cancelled > 25, "{cancelled}");
    assert!(
        (1..10).contains(&asked.len()),
        "what may be on its way stays"
    );
    swarm.check_invariants();
    // What is left, and a block a second.
    let mut came = 0;
    for _ in 0..3000 {
        now += Duration::from_millis(10);
        swarm.handle_timeout(now);
        if let Some(block) = asked.pop_front() {
            swarm.handle_block(now, conn, block, tag);
            came += 1;
        }
        look(&mut swarm, &mut asked);
    }
    assert!((29..=31).contains(&came), "{came} in thirty seconds");
}

#[test]
fn no_more_are_unchoked_than_the_limit_can_serve() {
    let info = torrent(64 * 1024, 64 * MIB);
    let mut net = Net::new();
    let seed = net.add_with(&info, Bitfield::full(1024), |config| {
        config.grant = limited(10_000, 0);
    });
    for _ in 0..6 {
        let leech = net.leech(&info);
        net.tell(leech, &[seed]);
    }
    net.advance(secs(20));
    let unchoked = |net: &Net| {
        let peers = net.nodes[seed].swarm.peers(net.now);
        peers.filter(|peer| !peer.am_choking).count()
    };
    assert_eq!(unchoked(&net), 2);
    set(&mut net, seed, limited(1_000_000, 0));
    net.run();
    assert_eq!(unchoked(&net), 4, "as many as without a limit");
}

#[test]
fn demand_tells_who_waits_and_who_has_enough() {
    let (mut net, seed, leech) = pair();
    set(&mut net, seed, limited(100_000, 0));
    set(&mut net, leech, limited(0, 10_000_000));
    net.advance(secs(20));
    assert_eq!(net.nodes[seed].swarm.demand(net.now).upload_rate, u64::MAX);
    let wanted = net.nodes[leech].swarm.demand(net.now).download_rate;
    assert!((60_000..150_000).contains(&wanted), "{wanted}");
    net.take_down(leech);
    net.advance(secs(1));
    assert_eq!(net.nodes[seed].swarm.demand(net.now).upload_rate, 0);
}

/// Whoever takes our requests and chokes us again and again takes nothing from the others.
#[test]
fn requests_that_are_dropped_unanswered_do_not_count() {
    let info = torrent(64 * 1024, 64 * MIB);
    let start = epoch();
    let mut swarm = lone(&info);
    let (fickle, steady) = (1, 2);
    let conns = [fickle, steady].map(|id| {
        let now = start + secs(id.into());
        let conn = dial_one(&mut swarm, now, peer(id), id);
        drain(&mut swarm);
        conn
    });
    let start = start + secs(2);
    swarm.set_grant(start, limited(0, 16_397));
    for conn in conns {
        swarm.handle_message(start, conn, Message::HaveAll);
    }
    swarm.handle_message(start, conns[1], Message::Unchoke);
    let tag = Tag {
        length: 16_384,
        is_good: true,
    };
    let mut came = 0;
    for tenths in 0..600 {
        let now = start + Duration::from_millis(tenths * 100);
        swarm.handle_message(now, conns[0], Message::Unchoke);
        swarm.handle_timeout(now);
        let mut asked = Vec::new();
        for action in drain(&mut swarm) {
            if let Action::Send(conn, Outgoing::Message(Message::Request(block))) = action {
                asked.extend((conn == conns[1]).then_some(block));
            }
        }
        for block in asked {
            swarm.handle_block(now, conns[1], block, tag);
            came += 1;
        }
        swarm.handle_message(now, conns[0], Message::Choke);
        swarm.check_invariants();
    }
    assert!((57..=62).contains(&came), "{came} in a minute");
}

/// What was taken back and comes all the same is paid for when it comes.
#[test]
fn what_comes_though_it_was_taken_back_counts() {
    let info = torrent(64 * 1024, 64 * MIB);
    let now = epoch();
    let mut swarm = lone(&info);
    let conn = dial_one(&mut swarm, now, peer(1), 1);
    swarm.set_grant(now, limited(0, 10 * 16_397));
    swarm.handle_message(now, conn, Message::HaveAll);
    swarm.handle_message(now, conn, Message::Unchoke);
    let later = now + Duration::from_millis(250);
    swarm.handle_timeout(later);
    let asked = requests(&mut swarm);
    assert!(asked.len() >= 2, "{asked:?}");
    swarm.handle_message(later, conn, Message::Choke);
    drain(&mut swarm);
    for block in &asked {
        swarm.handle_unrequested_block(later, conn, *block);
    }
    swarm.handle_message(later, conn, Message::Unchoke);
    assert_eq!(requests(&mut swarm), [], "paid with what was given back");
}

/// What is asked of peers.
fn requests(swarm: &mut Swarm<Tag>) -> Vec<RawBlock> {
    let actions = drain(swarm).into_iter();
    let requests = actions.filter_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::Request(block))) => Some(block),
        _ => None,
    });
    requests.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever peers say: no more is asked for, or read for others, than the limits allow.
    #[test]
    fn no_peer_can_make_us_exceed_a_limit(
        messages in prop::collection::vec(any_message(), 0..200),
        complete: bool,
        (upload, download) in (1..200_000_u64, 1..200_000_u64),
    ) {
        let info = torrent(64 * 1024, MIB);
        let start = epoch();
        let mut config = Config::new(bt_types::PeerId([255; 20]), 6881);
        config.grant = limited(upload, download);
        let mut swarm: Swarm<Tag> = Swarm::new(info.ids(), config, [0; 32]);
        let have = if complete { Bitfield::full(16) } else { Bitfield::new(16) };
        swarm.handle_metadata(start, info, have);
        let conns: Vec<_> =
            (1..4).map(|id| swarm.handle_connected(start, incoming(id)).unwrap()).collect();
        let outstanding = |swarm: &Swarm<Tag>| swarm.outstanding_requests() as u64 * 16_397;
        let (mut read, mut came) = (0, 0);
        for (step, (conn, message)) in messages.into_iter().enumerate() {
            let millis = step as u64 * 300;
            let now = start + Duration::from_millis(millis);
            match message {
                Ok(message) => swarm.handle_message(now, conns[conn], message),
                Err(raw) => {
                    let tag = Tag { length: raw.length, is_good: true };
                    let awaited = outstanding(&swarm);
                    swarm.handle_block(now, conns[conn], raw, tag);
                    came += (awaited - outstanding(&swarm)).min(16_397);
                }
            }
            swarm.handle_timeout(now);
            for action in drain(&mut swarm) {
                if let Action::Disk(DiskJob::Read { block, .. }) = action {
                    read += u64::from(block.length);
                }
            }
            let asked = came + outstanding(&swarm);
            swarm.check_invariants();
            for (bytes, rate) in [(read, upload), (asked, download)] {
                let burst = (rate / 4).max(16_384) + 16_397;
                prop_assert!(bytes <= rate * millis / 1000 + burst);
            }
        }
    }
}
