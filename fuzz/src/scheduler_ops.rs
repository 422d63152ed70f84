//! `bt-scheduler`: any sequence of what peers, disk and time can do to a picker.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_scheduler::{
    ChokeCandidate, Choker, Conduct, Evidence, OnChoke, Picker, PickerConfig, Received,
};
use bt_types::{Bitfield, Block, ConnId, FileExtent, PieceIndex, PieceLayout, Priority};

/// A small torrent, which may have padding.
#[derive(Arbitrary, Debug)]
struct Torrent {
    blocks_per_piece: u8,
    /// Length in eighths of a block, and whether it is padding.
    files: [(u8, bool); 4],
    have: u64,
    seed: u8,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Join {
        pieces: u64,
        reqq: u16,
    },
    Leave(u8),
    SetPieces {
        peer: u8,
        pieces: u64,
    },
    SetReqq(u8, u32),
    Choke {
        peer: u8,
        drops: bool,
    },
    Unchoke(u8),
    Has(u8, u8),
    Lost(u8, u8),
    Pick {
        peer: u8,
        most: u8,
    },
    PickReady {
        most: u8,
    },
    /// Answers the request at this place of the peer's open ones.
    Deliver {
        peer: u8,
        index: u8,
    },
    DeliverAll(u8),
    Reject {
        peer: u8,
        index: u8,
    },
    /// A block or a reject of any content.
    Forge {
        peer: u8,
        piece: u8,
        begin: u32,
        length: u32,
        is_reject: bool,
    },
    Verdict {
        index: u8,
        is_good: bool,
    },
    /// A verdict that was not asked for.
    Verify(u8),
    Fail(u8),
    Reserve(u8, u8),
    Wake,
    Wait {
        ms: u16,
    },
    WaitForTimeout,
    Rechoke {
        interested: u8,
        rates: u8,
    },
    /// Two bits of these say how much each piece is wanted.
    Prioritise {
        high: u64,
        low: u64,
        in_order: bool,
    },
}

/// Decodes a torrent and operations on it; checks every promise after each.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(torrent) = Torrent::arbitrary(&mut input) else {
        return;
    };
    let Some(mut machine) = Machine::new(&torrent) else {
        return;
    };
    for _ in 0..MAX_OPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else {
            break;
        };
        machine.apply(&op);
        machine.picker.check_invariants();
    }
}

struct Machine {
    layout: Arc<PieceLayout>,
    picker: Picker,
    choker: Choker,
    now: Instant,
    next_conn: u64,
    /// What each peer was asked for and has not answered, cancelled and dropped ones included.
    asked: BTreeMap<ConnId, Vec<Block>>,
    unchoked: BTreeMap<ConnId, Instant>,
    complete: Vec<PieceIndex>,
}

impl Machine {
    fn new(torrent: &Torrent) -> Option<Self> {
        let piece_length = (u64::from(torrent.blocks_per_piece % 6) + 1) * 16_384;
        let files = torrent.files.iter().map(|&(eighths, is_pad)| {
            let length = u64::from(eighths) * 2_048 + u64::from(eighths % 3);
            if is_pad {
                FileExtent::pad(length)
            } else {
                FileExtent::data(length)
            }
        });
        let layout = Arc::new(PieceLayout::packed(piece_length, files).ok()?);
        let have = set(&layout, torrent.have);
        let (config, seed) = (PickerConfig::default(), [torrent.seed; 32]);
        Some(Self {
            choker: Choker::new(usize::from(torrent.seed % 5), config.evaluator, seed),
            picker: Picker::new(Arc::clone(&layout), have, config, seed),
            layout,
            now: crate::epoch(),
            next_conn: 0,
            asked: BTreeMap::new(),
            unchoked: BTreeMap::new(),
            complete: Vec::new(),
        })
    }

    fn apply(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Join { pieces, reqq } if self.asked.len() < MAX_PEERS => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.picker.add_peer(now, conn, u32::from(reqq));
                self.picker.set_peer_pieces(conn, set(&self.layout, pieces));
                // As somebody who is here: what is remembered may be of any kind.
                let known = self.picker.evidence(now, self.conn(reqq as u8));
                self.picker.remember(now, conn, &known);
                self.asked.insert(conn, Vec::new());
            }
            Op::Join { .. } => {}
            Op::Leave(peer) => {
                let conn = self.conn(peer);
                self.picker.remove_peer(now, conn);
                self.asked.remove(&conn);
                self.unchoked.remove(&conn);
                assert_eq!(self.picker.outstanding(conn), 0);
            }
            Op::SetPieces { peer, pieces } => {
                let pieces = set(&self.layout, pieces);
                self.picker.set_peer_pieces(self.conn(peer), pieces);
            }
            Op::SetReqq(peer, reqq) => self.picker.set_reqq(self.conn(peer), reqq),
            Op::Choke { peer, drops } => {
                let how = if drops {
                    OnChoke::Dropped
                } else {
                    OnChoke::AwaitRejects
                };
                let conn = self.conn(peer);
                self.picker.choked(now, conn, how);
                assert!(!drops || self.picker.outstanding(conn) == 0);
            }
            Op::Unchoke(peer) => self.picker.unchoked(now, self.conn(peer)),
            Op::Has(peer, piece) => {
                let (conn, piece) = (self.conn(peer), self.piece(piece));
                self.picker.peer_has(conn, piece);
            }
            Op::Lost(peer, piece) => self.picker.peer_lost(self.conn(peer), self.piece(piece)),
            Op::Pick { peer, most } => self.pick(self.conn(peer), usize::from(most)),
            Op::PickReady { most } => {
                while let Some(conn) = self.picker.poll_ready() {
                    self.pick(conn, usize::from(most));
                }
            }
            Op::Deliver { peer, index } => {
                if let Some((conn, block)) = self.take(peer, index) {
                    self.deliver(conn, block);
                }
            }
            Op::DeliverAll(peer) => {
                while let Some((conn, block)) = self.take(peer, 0) {
                    self.deliver(conn, block);
                }
            }
            Op::Reject { peer, index } => {
                if let Some((conn, block)) = self.take(peer, index) {
                    self.picker.handle_reject(now, conn, block);
                }
            }
            Op::Forge {
                peer,
                piece,
                begin,
                length,
                is_reject,
            } => {
                let conn = self.conn(peer);
                let block = Block {
                    piece: self.piece(piece),
                    begin,
                    length,
                };
                let is_ours = self
                    .asked
                    .get(&conn)
                    .is_some_and(|asked| asked.contains(&block));
                if is_ours {
                    return;
                }
                if is_reject {
                    assert!(!self.picker.handle_reject(now, conn, block));
                } else {
                    let received = self.picker.handle_block(now, conn, block);
                    assert_eq!(received, Received::Unrequested);
                }
            }
            Op::Verdict { index, is_good } => {
                if self.complete.is_empty() {
                    return;
                }
                let piece = self
                    .complete
                    .swap_remove(usize::from(index) % self.complete.len());
                if is_good {
                    self.picker.piece_verified(piece);
                } else {
                    self.picker.piece_failed(piece);
                }
                // Somebody had part in it.
                self.picker.judge_part(now, self.conn(index), is_good);
            }
            Op::Verify(piece) => {
                self.picker.clear_part(now, self.conn(piece));
                let piece = self.piece(piece);
                self.picker.piece_verified(piece);
                assert!(self.picker.have().get(piece));
                self.complete.retain(|&complete| complete != piece);
            }
            Op::Fail(piece) => {
                let piece = self.piece(piece);
                self.picker.piece_failed(piece);
                assert!(!self.picker.have().get(piece));
                self.complete.retain(|&complete| complete != piece);
            }
            Op::Reserve(peer, piece) => {
                let (piece, conn) = (self.piece(piece), self.conn(peer));
                self.picker.reserve(self.now, piece, conn);
            }
            Op::Wake => self.picker.wake(),
            Op::Wait { ms } => {
                self.now += Duration::from_millis(u64::from(ms));
                self.picker.handle_timeout(self.now);
            }
            Op::WaitForTimeout => {
                if let Some(timeout) = self.picker.poll_timeout() {
                    self.now = self.now.max(timeout);
                    self.picker.handle_timeout(self.now);
                    let next = self.picker.poll_timeout();
                    assert!(
                        next.is_none_or(|next| next > self.now),
                        "the timer stands still"
                    );
                }
            }
            Op::Rechoke { interested, rates } => self.rechoke(interested, rates),
            Op::Prioritise {
                high,
                low,
                in_order,
            } => self.prioritise(&set(&self.layout, high), &set(&self.layout, low), in_order),
        }
        while let Some((conn, block)) = self.picker.poll_cancel() {
            let asked = self
                .asked
                .get(&conn)
                .expect("cancels go to who is connected");
            assert!(
                asked.contains(&block),
                "{conn:?} was never asked for {block:?}"
            );
        }
        let total = self
            .asked
            .keys()
            .map(|&conn| self.picker.outstanding(conn))
            .sum::<usize>();
        assert_eq!(self.picker.outstanding_total(), total);
    }

    fn pick(&mut self, conn: ConnId, most: usize) {
        let mut blocks = Vec::new();
        self.picker.pick(self.now, conn, most, &mut blocks);
        assert!(blocks.len() <= most);
        for block in blocks {
            let slot = block.slot();
            assert_eq!(
                self.layout.block(block.piece, slot),
                Some(block),
                "on the grid"
            );
            assert!(
                self.picker.peer_pieces(conn).get(block.piece),
                "the peer has it"
            );
            assert!(!self.picker.have().get(block.piece), "we do not");
            let priority = self.picker.priority(block.piece);
            assert_ne!(priority, Priority::Skip, "it is wanted");
            assert!(
                !self.complete.contains(&block.piece),
                "it awaits its verdict"
            );
            let asked = self
                .asked
                .get_mut(&conn)
                .expect("requests go to who is connected");
            // A request that was dropped or cancelled gives way to the new one.
            asked.retain(|&former| former != block);
            asked.push(block);
        }
    }

    fn prioritise(&mut self, high: &Bitfield, low: &Bitfield, in_order: bool) {
        let priority = |piece| match (high.get(piece), low.get(piece)) {
            (false, false) => Priority::Normal,
            (false, true) => Priority::Low,
            (true, false) => Priority::Skip,
            (true, true) => Priority::High,
        };
        let priorities: Vec<_> = self.layout.pieces().map(priority).collect();
        self.picker.set_in_order(in_order);
        for piece in self.picker.set_priorities(self.now, &priorities) {
            assert_eq!(self.picker.priority(piece), Priority::Skip);
            assert!(!self.complete.contains(&piece), "it awaits its verdict");
            assert!(!self.picker.have().get(piece));
        }
    }

    fn deliver(&mut self, conn: ConnId, block: Block) {
        let received = self.picker.handle_block(self.now, conn, block);
        if received
            == (Received::Accepted {
                piece_complete: true,
            })
        {
            assert!(!self.complete.contains(&block.piece));
            self.complete.push(block.piece);
        }
    }

    fn rechoke(&mut self, interested: u8, rates: u8) {
        let candidates: Vec<_> = (0..)
            .zip(self.asked.keys())
            .map(|(index, &conn)| ChokeCandidate {
                conn,
                is_interested: interested >> (index % 8) & 1 == 1,
                is_asking: rates >> ((index + 1) % 8) & 1 == 1,
                conduct: match (interested ^ rates) >> (index % 8) & 3 {
                    0 | 1 => Conduct::Fair,
                    2 => Conduct::Taking,
                    _ => Conduct::Hoarding,
                },
                received: u64::from(rates >> (index % 8) & 1) * 1000,
                evidence: Evidence {
                    upload_rate: u64::from(rates),
                    ..self.picker.evidence(self.now, conn)
                },
                unchoked_at: self.unchoked.get(&conn).copied(),
            })
            .collect();
        let changes = self
            .choker
            .rechoke(self.now, u64::from(rates) * 1000, &candidates);
        for conn in changes.choke {
            assert!(self.unchoked.remove(&conn).is_some());
        }
        for conn in changes.unchoke {
            assert!(self.unchoked.insert(conn, self.now).is_none());
        }
        assert!(self.unchoked.len() <= 4);
    }

    /// One that is connected, or one that is not.
    fn conn(&self, peer: u8) -> ConnId {
        let index = usize::from(peer) % (self.asked.len() + 1);
        let conn = self.asked.keys().nth(index).copied();
        conn.unwrap_or(ConnId(u64::MAX))
    }

    fn piece(&self, piece: u8) -> PieceIndex {
        PieceIndex::new(u32::from(piece) % self.layout.piece_count())
    }

    fn take(&mut self, peer: u8, index: u8) -> Option<(ConnId, Block)> {
        let conn = self.conn(peer);
        let asked = self.asked.get_mut(&conn)?;
        if asked.is_empty() {
            return None;
        }
        let index = usize::from(index) % asked.len();
        Some((conn, asked.remove(index)))
    }
}

/// The pieces whose bits are set, the last bit for all that follow.
fn set(layout: &PieceLayout, bits: u64) -> Bitfield {
    let mut pieces = Bitfield::new(layout.piece_count());
    for piece in layout
        .pieces()
        .filter(|piece| bits >> piece.get().min(63) & 1 == 1)
    {
        pieces.insert(piece);
    }
    pieces
}

/// Keeps an input of any length quick to run.
const MAX_OPS: usize = 300;
const MAX_PEERS: usize = 8;
