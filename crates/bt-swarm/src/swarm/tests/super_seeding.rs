//! Super-seeding (BEP 16): whole swarms, and what a single peer sees.

use super::*;

const PIECES: u32 = 64;
const PIECE: u32 = 2 * BLOCK_LENGTH;

fn disguised(config: &mut Config) {
    config.super_seed = true;
}

fn whole() -> Arc<Info> {
    torrent(PIECE, u64::from(PIECES * PIECE))
}

fn total() -> u64 {
    u64::from(PIECES * PIECE)
}

/// A super-seed and `leeches` that all know each other, or only the seed.
fn swarm_of(leeches: usize, know_each_other: bool) -> (Net, usize, Vec<usize>) {
    let info = whole();
    let mut net = Net::new();
    let seed = net.add_with(&info, Bitfield::full(PIECES), disguised);
    let leeches: Vec<_> = (0..leeches).map(|_| net.leech(&info)).collect();
    for (n, &leech) in leeches.iter().enumerate() {
        net.tell(leech, &[seed]);
        if know_each_other {
            net.tell(leech, &leeches[..n]);
        }
    }
    (net, seed, leeches)
}

#[test]
fn each_piece_leaves_the_seed_about_once() {
    let (mut net, seed, leeches) = swarm_of(6, true);
    for &leech in &leeches {
        net.complete(leech, secs(300));
    }
    let uploaded = net.nodes[seed].swarm.stats(net.now).uploaded;
    assert!(uploaded < total() * 3 / 2, "{uploaded} of {}", total());
    let ended = |event: &&Event| **event == Event::SuperSeedingEnded;
    assert_eq!(net.nodes[seed].events.iter().filter(ended).count(), 1);
    net.advance(secs(5));
    let stats = net.nodes[seed].swarm.stats(net.now);
    assert_eq!(stats.peers_connected, 0, "all have everything, and part");
}

#[test]
fn a_single_peer_is_not_kept_waiting() {
    let (mut net, _, leeches) = swarm_of(1, false);
    net.complete(leeches[0], secs(5));
}

#[test]
fn peers_that_do_not_find_each_other_get_everything_too() {
    let (mut net, _, leeches) = swarm_of(3, false);
    for &leech in &leeches {
        net.complete(leech, secs(300));
    }
}

/// It never says to be a seed, and has only what it says.
#[test]
fn a_peer_sees_two_pieces_and_no_seed() {
    let info = whole();
    for is_fast in [true, false] {
        let mut config = Config::new(bt_types::PeerId([255; 20]), 6881);
        config.super_seed = true;
        let mut swarm = Swarm::<Tag>::new(info.ids(), config, [0; 32]);
        swarm.handle_metadata(epoch(), Arc::clone(&info), Bitfield::full(PIECES));
        let mut peer = incoming(1);
        if !is_fast {
            peer.reserved = Reserved::NONE.with_extended();
        }
        let conn = swarm.handle_connected(epoch(), peer).unwrap();
        let mut told = Vec::new();
        for action in drain(&mut swarm) {
            let Action::Send(_, Outgoing::Message(message)) = action else {
                panic!("{action:?}")
            };
            match message {
                Message::Extended { payload, .. } => {
                    let handshake = bt_wire::ExtendedHandshake::decode(&payload).unwrap();
                    assert_eq!(handshake.upload_only, None);
                }
                message => told.push(message),
            }
        }
        let mut expected = vec![Message::Have(0), Message::Have(1)];
        if is_fast {
            expected.insert(0, Message::HaveNone);
        }
        assert_eq!(told, expected);

        swarm.handle_message(epoch(), conn, Message::Interested);
        drain(&mut swarm); // and so it is unchoked
        for piece in [0, 2] {
            let raw = RawBlock {
                piece,
                begin: 0,
                length: BLOCK_LENGTH,
            };
            swarm.handle_message(epoch(), conn, Message::Request(raw));
        }
        let read: Vec<_> = drain(&mut swarm)
            .into_iter()
            .filter_map(|action| match action {
                Action::Disk(DiskJob::Read { block, .. }) => Some(block.piece.get()),
                _ => None,
            })
            .collect();
        assert_eq!(read, [0], "the other is as if it were not there");
    }
}

#[test]
fn another_seed_ends_it_and_everybody_is_told_the_rest() {
    let info = whole();
    let mut net = Net::new();
    let seed = net.add_with(&info, Bitfield::full(PIECES), |config| {
        config.super_seed = true;
        config.grant.upload_slots = 0; // so that nothing is passed on
    });
    let slow = net.leech(&info);
    net.tell(slow, &[seed]);
    net.advance(secs(3));
    let pieces_of_seed = |net: &Net| {
        let mut peers = net.nodes[slow].swarm.peers(net.now);
        peers.next().map_or(0, |peer| peer.pieces)
    };
    assert!(pieces_of_seed(&net) < PIECES);
    let other = net.seed(&info);
    net.tell(other, &[seed]);
    net.advance(secs(3));
    assert_eq!(pieces_of_seed(&net), PIECES);
    assert!(!connected_to(&net, seed, other), "two seeds part");
}

#[test]
fn who_lacks_something_can_keep_nothing_back() {
    let info = whole();
    let mut net = Net::new();
    let mut have = Bitfield::full(PIECES);
    have.remove(bt_types::PieceIndex::new(3));
    let almost = net.add_with(&info, have, disguised);
    let leech = net.leech(&info);
    net.tell(leech, &[almost]);
    net.advance(secs(10));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(stats.pieces_verified, PIECES - 1);
}
