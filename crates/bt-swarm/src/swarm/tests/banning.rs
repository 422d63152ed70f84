//! Who is banned for bad data, and who is not.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{BanList, BanReason};

/// A block whose bytes are all alike; the right ones are zeros.
#[derive(Debug)]
struct Content {
    length: usize,
    byte: u8,
}

impl Payload for Content {
    fn len(&self) -> usize {
        self.length
    }
}

/// A swarm that downloads, and its disk.
struct Victim {
    swarm: Swarm<Content>,
    now: Instant,
    disk: BTreeMap<u32, u8>,
    /// What there was of wrong bytes when the piece failed.
    wrong: BTreeSet<u8>,
    events: Vec<Event>,
    /// Requests that nobody has looked at.
    unanswered: Vec<(ConnId, RawBlock)>,
}

impl Victim {
    /// A torrent of one piece.
    fn new(blocks: u32) -> Self {
        Self::with_pieces(1, blocks)
    }

    fn with_pieces(pieces: u32, blocks: u32) -> Self {
        let piece_length = blocks * BLOCK_LENGTH;
        let info = torrent(piece_length, u64::from(pieces * piece_length));
        let config = Config::new(bt_types::PeerId([255; 20]), 6881);
        let mut swarm = Swarm::new(info.ids(), config, [0; 32]);
        swarm.handle_metadata(epoch(), info, Bitfield::new(pieces));
        Self {
            swarm,
            now: epoch(),
            disk: BTreeMap::new(),
            wrong: BTreeSet::new(),
            events: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// Somebody with all pieces connects.
    fn meet(&mut self, connection: NewConnection) -> ConnId {
        let conn = self.swarm.handle_connected(self.now, connection).unwrap();
        self.say(conn, Message::HaveAll);
        self.say(conn, Message::Unchoke);
        conn
    }

    fn say(&mut self, conn: ConnId, message: Message) {
        self.swarm.handle_message(self.now, conn, message);
    }

    fn send(&mut self, conn: ConnId, raw: RawBlock, byte: u8) {
        let length = raw.length as usize;
        let payload = Content { length, byte };
        self.swarm.handle_block(self.now, conn, raw, payload);
    }

    /// Does what the disk is asked for; returns what peers are asked for.
    fn requests(&mut self) -> Vec<(ConnId, RawBlock)> {
        let mut requests = std::mem::take(&mut self.unanswered);
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send(conn, Outgoing::Message(Message::Request(raw))) => {
                    requests.push((conn, raw));
                }
                Action::Disk(job) => {
                    let done = self.work(job);
                    self.swarm.handle_disk(self.now, done);
                }
                _ => {}
            }
        }
        self.swarm.check_invariants();
        self.events
            .extend(std::iter::from_fn(|| self.swarm.poll_event()));
        requests
    }

    fn work(&mut self, job: DiskJob<Content>) -> DiskDone<Content> {
        match job {
            DiskJob::Verify {
                piece,
                blocks,
                wants_digests,
            } => {
                let mut all = std::mem::take(&mut self.disk);
                all.extend(blocks.iter().map(|(begin, block)| (*begin, block.byte)));
                let is_good = all.values().all(|&byte| byte == 0);
                let digests = all.iter().map(|(&begin, &byte)| (begin, [byte; 20]));
                let mut block_digests: Vec<_> = digests.collect();
                if is_good {
                    block_digests.retain(|_| wants_digests);
                    DiskDone::Verified {
                        piece,
                        block_digests,
                    }
                } else {
                    self.wrong.extend(all.values().filter(|&&byte| byte != 0));
                    DiskDone::Corrupt {
                        piece,
                        block_digests,
                    }
                }
            }
            DiskJob::Spill { piece, blocks } => {
                let blocks = blocks.iter().map(|(begin, block)| (*begin, block.byte));
                self.disk.extend(blocks);
                DiskDone::Spilled(piece)
            }
            DiskJob::Read { .. } | DiskJob::Survey => unreachable!("nobody asks for anything"),
        }
    }

    /// Everybody answers at once with the byte that `content` gives, until nothing is asked for or
    /// the piece has failed.
    fn download(&mut self, content: impl Fn(ConnId, RawBlock) -> u8) {
        let failures = self.failures();
        loop {
            let requests = self.requests();
            if self.failures() > failures {
                // These are for the next try.
                self.unanswered = requests;
                return;
            }
            if requests.is_empty() {
                return;
            }
            for (conn, raw) in requests {
                self.send(conn, raw, content(conn, raw));
            }
        }
    }

    fn failures(&self) -> usize {
        let failed = |event: &&Event| matches!(event, Event::PieceFailed { .. });
        self.events.iter().filter(failed).count()
    }

    fn banned(&self) -> Vec<(SocketAddr, BanReason)> {
        let banned = self.events.iter().filter_map(|event| match event {
            Event::PeerBanned { peer, reason, .. } => Some((*peer, *reason)),
            _ => None,
        });
        banned.collect()
    }

    fn connected(&self) -> Vec<SocketAddr> {
        self.swarm.peers(self.now).map(|peer| peer.addr).collect()
    }

    fn block(&self, piece: u32, begin: u32) -> bt_types::Block {
        let layout = self.swarm.info().unwrap().layout();
        let piece = layout.piece_index(piece).unwrap();
        layout.block(piece, begin / BLOCK_LENGTH).unwrap()
    }
}

fn asked_of(requests: &[(ConnId, RawBlock)], conn: ConnId) -> Vec<RawBlock> {
    let of_conn = requests.iter().filter(|request| request.0 == conn);
    of_conn.map(|request| request.1).collect()
}

#[test]
fn a_wrong_block_is_found_when_the_piece_is_right_and_the_innocent_stay() {
    let mut victim = Victim::new(8);
    let [_, liar] = [1, 2].map(|id| victim.meet(incoming(id)));
    victim.download(|conn, _| u8::from(conn == liar));
    assert_eq!(victim.failures(), 1);
    assert_eq!(victim.banned(), [], "it could have been either");
    assert_eq!(victim.connected(), [peer(1), peer(2)], "nobody is dropped");
    victim.download(|conn, _| u8::from(conn == liar));
    let wrong = victim.block(0, 4 * BLOCK_LENGTH);
    if victim.failures() == 1 {
        assert_eq!(victim.banned(), [(peer(2), BanReason::WrongBlock(wrong))]);
    } else {
        // The liar was the one who was asked for all of it.
        let piece = wrong.piece;
        assert_eq!(victim.banned(), [(peer(2), BanReason::WholePiece(piece))]);
        victim.download(|_, _| 0);
    }
    assert!(victim.swarm.is_complete());
    let again = victim.swarm.handle_connected(victim.now, incoming(2));
    assert_eq!(again, Err(Refusal::Banned));
}

/// So that the piece comes, and with it the truth about the two.
#[test]
fn the_next_try_is_made_with_somebody_under_no_suspicion() {
    let mut victim = Victim::with_pieces(2, 8);
    let known = victim.meet(incoming(3));
    // It sends all of the first piece, and nothing of the second.
    let (mut first, mut rejected) = (None, Vec::new());
    while victim.swarm.stats(victim.now).pieces_verified == 0 {
        for (conn, raw) in victim.requests() {
            if *first.get_or_insert(raw.piece) == raw.piece {
                victim.send(conn, raw, 0);
            } else {
                rejected.push(raw);
            }
        }
    }
    victim.say(known, Message::Choke);
    for raw in rejected {
        victim.say(known, Message::Reject(raw));
    }
    let suspects = [1, 2].map(|id| victim.meet(incoming(id)));
    for (conn, raw) in victim.requests() {
        victim.send(conn, raw, u8::from(conn == suspects[1]));
    }
    victim.say(known, Message::Unchoke);
    let requests = victim.requests();
    assert_eq!((victim.failures(), victim.banned().len()), (1, 0));
    assert!(!requests.is_empty());
    assert_eq!(asked_of(&requests, known).len(), requests.len());
    victim.unanswered = requests;
    victim.download(|_, _| 0);
    let [(banned, BanReason::WrongBlock(_))] = victim.banned()[..] else {
        panic!("{:?}", victim.banned());
    };
    assert_eq!(banned, peer(2));
    assert!(victim.swarm.is_complete());
}

/// Its answer comes late, after another one's: the bytes that count are those that were kept.
#[test]
fn of_two_who_send_a_block_the_first_has_sent_it() {
    for first_is_wrong in [false, true] {
        let mut victim = Victim::new(8);
        let [slow, quick] = [1, 2].map(|id| victim.meet(incoming(id)));
        let requests = victim.requests();
        let taken_over = asked_of(&requests, slow);
        for raw in asked_of(&requests, quick) {
            victim.send(quick, raw, 0);
        }
        // The slow one is overdue: what it was asked for is asked of the quick one, too.
        victim.now += secs(11);
        victim.swarm.handle_timeout(victim.now);
        let again = asked_of(&victim.requests(), quick);
        assert!(taken_over.iter().all(|raw| again.contains(raw)));
        if first_is_wrong {
            victim.send(slow, taken_over[0], 66);
        }
        for &raw in &again {
            victim.send(quick, raw, 0);
        }
        if !first_is_wrong {
            victim.send(slow, taken_over[0], 66);
        }
        victim.download(|_, _| 0);
        victim.download(|_, _| 0);
        assert!(victim.swarm.is_complete());
        let wrong = victim.block(0, taken_over[0].begin);
        let expected = match first_is_wrong {
            true => vec![(peer(1), BanReason::WrongBlock(wrong))],
            false => vec![],
        };
        assert_eq!(victim.banned(), expected);
        let again = victim.swarm.handle_connected(victim.now, incoming(1));
        assert_eq!(again == Err(Refusal::Banned), first_is_wrong);
    }
}

/// It takes part in two tries, of which each fails. No right piece is needed to know.
#[test]
fn who_sends_a_block_in_two_versions_is_banned_at_once() {
    let mut victim = Victim::new(8);
    let [liar, _] = [1, 2].map(|id| victim.meet(incoming(id)));
    victim.download(|conn, _| u8::from(conn == liar));
    assert_eq!((victim.failures(), victim.banned().len()), (1, 0));
    // It is asked alone, but answers half of it only and rejects the rest, which is for all again.
    let asked = asked_of(&victim.requests(), liar);
    let (answered, rejected) = asked.split_at(4);
    victim.unanswered = answered.iter().map(|&raw| (liar, raw)).collect();
    victim.say(liar, Message::Choke);
    for &raw in rejected {
        victim.say(liar, Message::Reject(raw));
    }
    victim.download(|conn, _| if conn == liar { 2 } else { 0 });
    let [(banned, BanReason::TwoVersions(block))] = victim.banned()[..] else {
        panic!("{:?}", victim.banned());
    };
    assert_eq!((banned, block.piece.get()), (peer(1), 0));
    victim.download(|_, _| 0);
    assert!(victim.swarm.is_complete());
    assert_eq!(victim.banned().len(), 1);
}

#[test]
fn who_sends_a_piece_over_many_connections_has_sent_it_alone() {
    let mut victim = Victim::new(8);
    for id in [1, 2] {
        victim.meet(NewConnection {
            peer: SocketAddr::from(([8, 8, 8, 8], 1000 + u16::from(id))),
            ..incoming(id)
        });
    }
    victim.download(|_, raw| u8::from(raw.begin == 0));
    let piece = bt_types::PieceIndex::new(0);
    let [(banned, reason)] = victim.banned()[..] else {
        panic!("{:?}", victim.banned());
    };
    assert_eq!(banned.ip(), SocketAddr::from(([8, 8, 8, 8], 1)).ip());
    assert_eq!(reason, BanReason::WholePiece(piece));
    assert_eq!(victim.connected(), []);
}

/// The address at which somebody says that it listens may be another one's.
#[test]
fn a_liar_cannot_have_another_banned_in_its_place() {
    let mut victim = Victim::new(4);
    let stranger = NewConnection {
        peer: SocketAddr::from(([10, 0, 0, 1], 50_000)),
        ..incoming(7)
    };
    let liar = victim.meet(stranger);
    let hello = bt_wire::ExtendedHandshake {
        port: Some(6881),
        ..Default::default()
    };
    victim.say(liar, hello.to_message());
    victim.download(|_, _| 1);
    assert_eq!(victim.banned().len(), 1);
    assert_eq!(victim.banned()[0].0, stranger.peer);
    let innocent = victim.meet(incoming(1));
    victim.download(|conn, _| u8::from(conn != innocent));
    assert!(victim.swarm.is_complete());
}

/// Whoever makes a hybrid torrent can have all be liars who check its other half.
#[test]
fn a_hybrid_torrent_has_nobody_banned_elsewhere() {
    let v1 = bt_types::InfoHash([1; 20]);
    let hybrid = TorrentIds::hybrid(v1, bt_types::InfoHashV2([2; 32]));
    for (ids, expected) in [(TorrentIds::v1_only(v1), true), (hybrid, false)] {
        let mut victim = Victim::new(4);
        victim.swarm.ids = ids;
        victim.meet(incoming(1));
        victim.download(|_, _| 1);
        let concerns_others = victim.events.iter().find_map(|event| match event {
            Event::PeerBanned {
                concerns_others, ..
            } => Some(*concerns_others),
            _ => None,
        });
        assert_eq!(concerns_others, Some(expected), "{ids:?}");
        let again = victim.swarm.handle_connected(victim.now, incoming(1));
        assert_eq!(again, Err(Refusal::Banned), "here");
    }
}

#[test]
fn bans_of_other_torrents_count_here() {
    let mut victim = Victim::new(4);
    for id in 1..=3 {
        victim.meet(incoming(id));
    }
    let mut bans = BanList::new();
    bans.ban(peer(1));
    bans.ban(SocketAddr::from(([10, 0, 0, 4], 6881)));
    victim.swarm.set_bans(victim.now, std::sync::Arc::new(bans));
    let reasons: Vec<_> = drain_all(&mut victim.swarm)
        .into_iter()
        .filter_map(reason_of)
        .collect();
    assert_eq!(reasons, [DisconnectReason::Banned]);
    assert_eq!(victim.connected(), [peer(2), peer(3)]);
    let refused = victim.swarm.handle_connected(victim.now, incoming(1));
    assert_eq!(refused, Err(Refusal::Banned));
    victim
        .swarm
        .add_peers(victim.now, PeerSource::User, [peer(1)]);
    assert_eq!(victim.swarm.stats(victim.now).peers_known, 0);

    // From another port of its own, but it says who it is.
    let again = victim.meet(NewConnection {
        peer: SocketAddr::from(([10, 0, 0, 4], 50_000)),
        ..incoming(4)
    });
    let hello = bt_wire::ExtendedHandshake {
        port: Some(6881),
        ..Default::default()
    };
    victim.say(again, hello.to_message());
    assert_eq!(victim.connected(), [peer(2), peer(3)]);
    assert_eq!(victim.banned(), [], "told by whoever found out");
}

/// The pieces take more memory than there is, so that most of the wrong blocks are on disk when
/// the piece fails.
#[test]
fn wrong_blocks_that_were_spilled_are_found_too() {
    let info = torrent(4 << 20, 16 * MIB);
    let mut net = Net::new();
    let seeds = [(); 4].map(|()| net.seed(&info));
    net.nodes[seeds[1]].is_liar = true;
    net.nodes[seeds[1]].lies_in_slot = Some(7);
    net.nodes[seeds[2]].is_liar = true;
    net.nodes[seeds[2]].lies_in_slot = Some(200);
    let leech = net.add_with(&info, Bitfield::new(4), |config| {
        config.grant.memory_bytes = 1 << 20;
    });
    net.tell(leech, &seeds);
    net.complete(leech, secs(3600));
    assert!(net.nodes[leech].spills > 0);
    let found: BTreeSet<_> = net.nodes[leech]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PeerBanned { peer, .. } => Some(*peer),
            _ => None,
        })
        .collect();
    let liars = [seeds[1], seeds[2]].map(|seed| net.nodes[seed].addr);
    assert!(
        !found.is_empty() && found.iter().all(|addr| liars.contains(addr)),
        "{found:?}"
    );
}

proptest! {
    /// Whatever a few liars send among honest ones, and whoever falls silent meanwhile: the piece
    /// comes, nobody honest is banned, and everyone is whose wrong bytes were a part of a failure.
    #[test]
    fn exactly_those_are_banned_who_sent_wrong_blocks(
        liars in proptest::collection::btree_set(1_u8..6, 0..4),
        lies: Vec<bool>,
        order in any::<u64>(),
    ) {
        let mut victim = Victim::new(24);
        let conns: Vec<_> = (1..=6).map(|id| (victim.meet(incoming(id)), id)).collect();
        let mut lies = lies.into_iter();
        let mut turn = order;
        for _ in 0..200 {
            let mut requests = victim.requests();
            if requests.is_empty() {
                if victim.swarm.is_complete() {
                    break;
                }
                victim.now += secs(1);
                victim.swarm.handle_timeout(victim.now);
                continue;
            }
            turn = turn.rotate_left(7) ^ 0x9e37;
            let count = requests.len();
            requests.rotate_left(turn as usize % count);
            for (conn, raw) in requests {
                let id = conns.iter().find(|other| other.0 == conn).map_or(0, |other| other.1);
                let wrong = liars.contains(&id) && lies.next().unwrap_or(false);
                victim.send(conn, raw, if wrong { id } else { 0 });
            }
        }
        prop_assert!(victim.swarm.is_complete());
        let banned: BTreeSet<_> = victim.banned().iter().map(|ban| ban.0).collect();
        let guilty: BTreeSet<_> = victim.wrong.iter().map(|&id| peer(id)).collect();
        prop_assert_eq!(&banned, &guilty);
        prop_assert_eq!(banned.len(), victim.banned().len(), "each once");
        prop_assert!(victim.connected().iter().all(|addr| !banned.contains(addr)));
    }
}

fn drain_all<P: Payload>(swarm: &mut Swarm<P>) -> Vec<Action<P>> {
    std::iter::from_fn(|| swarm.poll_action()).collect()
}

fn reason_of<P>(action: Action<P>) -> Option<DisconnectReason> {
    match action {
        Action::Disconnect(_, reason) => Some(reason),
        _ => None,
    }
}
