//! What holds whatever happens.

use bt_types::BLOCK_LENGTH;
use proptest::{prelude::*, sample::Index};

use super::{super::*, epoch, layout, world::World};

#[derive(Clone, Debug)]
enum Op {
    Join { pieces: Vec<u32>, is_seed: bool },
    Leave(Index),
    Choke(Index, bool),
    Unchoke(Index),
    Has(Index, u32),
    Lost(Index, u32),
    Pick(Index, usize),
    Deliver(Index, Index),
    Reject(Index, Index),
    Verdict(Index, bool),
    Reserve(Index, u32),
    Allow(Index, u32),
    Suggest(Index, u32),
    Wait(u64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sequence_keeps_the_promises(ops in prop::collection::vec(op(), 0..120), seed: [u8; 32]) {
        let mut model = Model::new(seed);
        for op in &ops {
            model.apply(op);
            model.picker.check_invariants();
        }
        // With a peer that has everything and answers, all comes to an end.
        let honest = model.join(Bitfield::full(PIECES));
        model.picker.unchoked(model.now, honest);
        for _ in 0..2000 {
            if model.picker.is_complete() {
                break;
            }
            model.now += Duration::from_millis(500);
            model.picker.handle_timeout(model.now);
            let conns: Vec<_> = model.asked.keys().copied().collect();
            for conn in conns {
                model.pick(conn, usize::MAX);
            }
            for block in std::mem::take(model.asked.get_mut(&honest).unwrap()) {
                model.deliver(honest, block);
            }
            for piece in std::mem::take(&mut model.complete) {
                model.picker.piece_verified(piece);
            }
            while model.picker.poll_cancel().is_some() {}
        }
        model.picker.check_invariants();
        prop_assert!(model.picker.is_complete(), "{:?}", model.picker);
    }

    #[test]
    fn the_same_seed_gives_the_same_run(ops in prop::collection::vec(op(), 0..120), seed: [u8; 32]) {
        let run = |mut model: Model| {
            let mut log = Vec::new();
            for op in &ops {
                model.apply(op);
                log.push((model.asked.clone(), model.picker.poll_timeout().map(|t| t - model.start)));
            }
            log
        };
        prop_assert_eq!(run(Model::new(seed)), run(Model::new(seed)));
    }

    #[test]
    fn downloads_complete_without_waste(
        peers in prop::collection::vec((1_000_u64..1_000_000, 1_u64..300), 1..8),
        pieces in 1_u32..30,
        blocks in 1_u32..20,
        seed: u64,
    ) {
        let mut world = World::new(layout(pieces, blocks), seed);
        world.checks_invariants = false;
        for &(rate, latency_ms) in &peers {
            world.join_seed(rate, latency_ms);
        }
        let rate: u64 = peers.iter().map(|(rate, _)| rate).sum();
        let ideal = Duration::from_secs(u64::from(pieces * blocks * BLOCK_LENGTH) / rate);
        // Slow start, the last blocks of the slow, and at most one peer taken for silent.
        world.run(ideal * 3 / 2 + Duration::from_secs(30));
        world.picker.check_invariants();
        let mut requested = world.requested.clone();
        requested.sort_unstable();
        prop_assert!(requested.windows(2).all(|two| two[0] != two[1]), "twice of one peer");
        let blocks = (pieces * blocks) as usize;
        prop_assert!(requested.len() >= blocks);
        prop_assert!(world.duplicates <= 4 * peers.len(), "{} in vain", world.duplicates);
    }
}

/// A picker, and what its peers know.
struct Model {
    picker: Picker,
    start: Instant,
    now: Instant,
    next_conn: u64,
    /// Requests not answered, cancelled ones included.
    asked: std::collections::BTreeMap<ConnId, Vec<Block>>,
    complete: Vec<PieceIndex>,
    /// Asked a second time while the first request was not answered: it had been dropped.
    twice: Vec<(ConnId, Block)>,
}

impl Model {
    fn new(seed: [u8; 32]) -> Self {
        let start = epoch();
        let have = Bitfield::new(PIECES);
        Self {
            picker: Picker::new(
                Arc::new(layout(PIECES, 3)),
                have,
                PickerConfig::default(),
                seed,
            ),
            start,
            now: start,
            next_conn: 0,
            asked: Default::default(),
            complete: Vec::new(),
            twice: Vec::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Join {
                ref pieces,
                is_seed,
            } => {
                let mut set = if is_seed {
                    Bitfield::full(PIECES)
                } else {
                    Bitfield::new(PIECES)
                };
                for &piece in pieces {
                    set.insert(PieceIndex::new(piece));
                }
                self.join(set);
            }
            Op::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.picker.handle_timeout(self.now);
            }
            Op::Verdict(index, is_good) => {
                if self.complete.is_empty() {
                    return;
                }
                let piece = self.complete.swap_remove(index.index(self.complete.len()));
                if is_good {
                    self.picker.piece_verified(piece);
                } else {
                    self.picker.piece_failed(piece);
                }
            }
            Op::Leave(peer) => {
                if let Some(conn) = self.conn(peer) {
                    self.picker.remove_peer(self.now, conn);
                    self.asked.remove(&conn);
                }
            }
            Op::Choke(peer, drops) => {
                if let Some(conn) = self.conn(peer) {
                    let how = if drops {
                        OnChoke::Dropped
                    } else {
                        OnChoke::AwaitRejects
                    };
                    self.picker.choked(self.now, conn, how);
                }
            }
            Op::Unchoke(peer) => {
                if let Some(conn) = self.conn(peer) {
                    self.picker.unchoked(self.now, conn);
                }
            }
            Op::Has(peer, piece) => {
                if let Some(conn) = self.conn(peer) {
                    let was_there = self.picker.peer_pieces(conn).get(PieceIndex::new(piece));
                    let is_news = self.picker.peer_has(conn, PieceIndex::new(piece));
                    assert_eq!(is_news, !was_there);
                }
            }
            Op::Lost(peer, piece) => {
                if let Some(conn) = self.conn(peer) {
                    self.picker.peer_lost(conn, PieceIndex::new(piece));
                }
            }
            Op::Pick(peer, most) => {
                if let Some(conn) = self.conn(peer) {
                    self.pick(conn, most);
                }
            }
            Op::Deliver(peer, index) => {
                if let Some((conn, block)) = self.take(peer, index) {
                    self.deliver(conn, block);
                }
            }
            Op::Reject(peer, index) => {
                if let Some((conn, block)) = self.take(peer, index) {
                    self.picker.handle_reject(self.now, conn, block);
                }
            }
            Op::Reserve(peer, piece) => {
                if let Some(conn) = self.conn(peer) {
                    self.picker.reserve(self.now, PieceIndex::new(piece), conn);
                }
            }
            Op::Allow(peer, piece) => {
                if let Some(conn) = self.conn(peer) {
                    self.picker.peer_allows(conn, PieceIndex::new(piece));
                }
            }
            Op::Suggest(peer, piece) => {
                if let Some(conn) = self.conn(peer) {
                    self.picker.peer_suggests(conn, PieceIndex::new(piece));
                }
            }
        }
    }

    fn join(&mut self, pieces: Bitfield) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.picker.add_peer(self.now, conn, 250);
        self.picker.set_peer_pieces(conn, pieces);
        self.asked.insert(conn, Vec::new());
        conn
    }

    fn pick(&mut self, conn: ConnId, most: usize) {
        let mut blocks = Vec::new();
        self.picker.pick(self.now, conn, most, &mut blocks);
        assert!(blocks.len() <= most);
        for &block in &blocks {
            assert!(
                self.picker.peer_pieces(conn).get(block.piece),
                "it lacks {block:?}"
            );
            assert!(!self.picker.have().get(block.piece), "we have {block:?}");
            let slot = block.slot();
            assert_eq!(self.picker.layout.block(block.piece, slot), Some(block));
        }
        let is_new = |block: &&Block| !self.complete.contains(&block.piece);
        assert_eq!(
            blocks.iter().filter(is_new).count(),
            blocks.len(),
            "all of it is there"
        );
        let asked = self.asked.get_mut(&conn).unwrap();
        for block in blocks {
            if asked.contains(&block) {
                self.twice.push((conn, block));
            }
            asked.push(block);
        }
    }

    fn deliver(&mut self, conn: ConnId, block: Block) {
        match self.picker.handle_block(self.now, conn, block) {
            Received::Accepted {
                piece_complete: true,
            } => self.complete.push(block.piece),
            Received::Accepted { .. } | Received::Duplicate => {}
            // Of two requests for the same block, the first answer may have stood for both.
            Received::Unrequested => assert!(self.twice.contains(&(conn, block))),
        }
    }

    fn conn(&self, index: Index) -> Option<ConnId> {
        let conns: Vec<_> = self.asked.keys().copied().collect();
        (!conns.is_empty()).then(|| conns[index.index(conns.len())])
    }

    fn take(&mut self, peer: Index, index: Index) -> Option<(ConnId, Block)> {
        let conn = self.conn(peer)?;
        let asked = self.asked.get_mut(&conn)?;
        (!asked.is_empty()).then(|| (conn, asked.swap_remove(index.index(asked.len()))))
    }
}

fn op() -> impl Strategy<Value = Op> {
    let peer = any::<Index>;
    let piece = || 0..PIECES;
    prop_oneof![
        2 => (prop::collection::vec(piece(), 0..PIECES as usize), any::<bool>())
            .prop_map(|(pieces, is_seed)| Op::Join { pieces, is_seed }),
        1 => peer().prop_map(Op::Leave),
        1 => (peer(), any::<bool>()).prop_map(|(peer, drops)| Op::Choke(peer, drops)),
        4 => peer().prop_map(Op::Unchoke),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Op::Has(peer, piece)),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Op::Lost(peer, piece)),
        6 => (peer(), 0_usize..6).prop_map(|(peer, most)| Op::Pick(peer, most)),
        8 => (peer(), peer()).prop_map(|(peer, index)| Op::Deliver(peer, index)),
        1 => (peer(), peer()).prop_map(|(peer, index)| Op::Reject(peer, index)),
        2 => (peer(), any::<bool>()).prop_map(|(index, is_good)| Op::Verdict(index, is_good)),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Op::Reserve(peer, piece)),
        2 => (peer(), piece()).prop_map(|(peer, piece)| Op::Allow(peer, piece)),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Op::Suggest(peer, piece)),
        2 => (0_u64..4_000).prop_map(Op::Wait),
        1 => (0_u64..130_000).prop_map(Op::Wait),
    ]
}

const PIECES: u32 = 6;
