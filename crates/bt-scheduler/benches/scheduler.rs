#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_scheduler::{Picker, PickerConfig, Received};
use bt_types::{Bitfield, Block, ConnId, FileExtent, PieceIndex, PieceLayout};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// A torrent in the middle of its download: half of its peers are seeds, the others have every
/// second piece; all serve us, at 1 MB/s each.
struct Swarm {
    picker: Picker,
    now: Instant,
    /// Requests in the order in which they will be answered.
    queue: VecDeque<(ConnId, Block)>,
    blocks: Vec<Block>,
}

impl Swarm {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn new(pieces: u32, peers: u64) -> Self {
        let length = u64::from(pieces) * u64::from(PIECE_LENGTH);
        let layout = PieceLayout::packed(u64::from(PIECE_LENGTH), [FileExtent::data(length)]);
        let layout = Arc::new(layout.expect("a valid layout"));
        let (have, config) = (Bitfield::new(pieces), PickerConfig::default());
        let mut swarm = Self {
            picker: Picker::new(layout, have, config, [7; 32]),
            now: Instant::now(),
            queue: VecDeque::new(),
            blocks: Vec::new(),
        };
        for conn in (0..peers).map(ConnId) {
            let mut has = Bitfield::full(pieces);
            if conn.0 % 2 == 1 {
                let lacking = (0..pieces).filter(|piece| (u64::from(*piece) + conn.0 / 2) % 2 == 0);
                for piece in lacking {
                    has.remove(PieceIndex::new(piece));
                }
            }
            swarm.picker.add_peer(swarm.now, conn, 500);
            swarm.picker.set_peer_pieces(conn, has);
            swarm.picker.unchoked(swarm.now, conn);
            swarm.pick(conn);
        }
        // Slow start and the first, random pieces are not the steady state.
        for _ in 0..200 * peers {
            swarm.answer_one();
        }
        swarm
    }

    /// One block arrives, its peer is topped up, a complete piece is verified; what is complete
    /// begins anew, so that there is always as much to do.
    fn answer_one(&mut self) {
        self.now += Duration::from_micros(300);
        let Some((conn, block)) = self.queue.pop_front() else {
            return;
        };
        let received = self.picker.handle_block(self.now, conn, block);
        if received
            == (Received::Accepted {
                piece_complete: true,
            })
        {
            self.picker.piece_verified(block.piece);
            self.picker.piece_failed(block.piece);
        }
        self.pick(conn);
        while self.picker.poll_cancel().is_some() {}
        while self.picker.poll_ready().is_some() {}
    }

    fn pick(&mut self, conn: ConnId) {
        self.picker
            .pick(self.now, conn, usize::MAX, &mut self.blocks);
        self.queue
            .extend(self.blocks.drain(..).map(|block| (conn, block)));
    }
}

fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("bt-scheduler/block");
    group.throughput(Throughput::Elements(1));
    for (name, pieces, peers) in [
        ("10k_pieces_50_peers", 10_000, 50),
        ("1m_pieces_50_peers", 1_000_000, 50),
        ("10k_pieces_200_peers", 10_000, 200),
    ] {
        let mut swarm = Swarm::new(pieces, peers);
        group.bench_function(name, |b| b.iter(|| swarm.answer_one()));
        swarm.picker.check_invariants();
    }
    group.finish();
}

fn peers(c: &mut Criterion) {
    let mut group = c.benchmark_group("bt-scheduler/peer");
    let pieces = 1_000_000;
    let mut swarm = Swarm::new(pieces, 20);
    let conn = ConnId(1000);
    group.throughput(Throughput::Elements(1));
    group.bench_function("seed_joins_and_leaves_1m_pieces", |b| {
        b.iter_batched(
            || Bitfield::full(pieces),
            |has| {
                swarm.picker.add_peer(swarm.now, conn, 250);
                swarm.picker.set_peer_pieces(conn, has);
                swarm.picker.remove_peer(swarm.now, conn);
            },
            BatchSize::PerIteration,
        );
    });
    swarm.picker.add_peer(swarm.now, conn, 250);
    let mut next = 0;
    group.bench_function("have_1m_pieces", |b| {
        b.iter(|| {
            next = (next + 7919) % pieces;
            let piece = PieceIndex::new(next);
            if !swarm.picker.peer_has(conn, piece) {
                swarm.picker.peer_lost(conn, piece);
            }
        });
    });
    group.finish();
}

const PIECE_LENGTH: u32 = 16 * 16_384;

criterion_group!(benches, blocks, peers);
criterion_main!(benches);
