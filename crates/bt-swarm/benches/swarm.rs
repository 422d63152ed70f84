//! What a swarm costs per block, sockets and disk left out: two of them joined in memory.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::{Info, InfoBuilder};
use bt_swarm::{Action, Config, DiskDone, DiskJob, NewConnection, Outgoing, Swarm};
use bt_types::{Bitfield, ConnId, Direction, Payload, PeerId, Transport};
use bt_wire::Reserved;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

struct Length(usize);

impl Payload for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn download(c: &mut Criterion) {
    let info = torrent(1 << 20, 1 << 30);
    let blocks = info.layout().data_length() / 16_384;
    let mut group = c.benchmark_group("swarm/download");
    group
        .throughput(Throughput::Elements(blocks))
        .sample_size(10);
    group.bench_function("1gib_1mib_pieces", |b| {
        b.iter_batched(
            || pair(&info),
            |mut pair| exchange(&mut pair),
            BatchSize::LargeInput,
        );
    });
}

struct Pair {
    now: Instant,
    ends: [(Swarm<Length>, ConnId); 2],
}

fn pair(info: &Arc<Info>) -> Pair {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
    let now = Instant::now();
    let count = info.layout().piece_count();
    let end = |id: u8, have| {
        let mut swarm = Swarm::new(info.ids(), Config::new(PeerId([id; 20]), 6881), [id; 32]);
        swarm.handle_metadata(now, Arc::clone(info), have);
        let connection = NewConnection {
            peer: SocketAddr::from(([10, 0, 0, 3 - id], 6881)),
            direction: Direction::Inbound,
            transport: Transport::Tcp,
            peer_id: PeerId([3 - id; 20]),
            reserved: Reserved::NONE.with_fast(),
            dial: None,
        };
        let conn = swarm
            .handle_connected(now, connection)
            .expect("there is room");
        (swarm, conn)
    };
    Pair {
        now,
        ends: [end(1, Bitfield::full(count)), end(2, Bitfield::new(count))],
    }
}

fn exchange(pair: &mut Pair) {
    while !pair.ends[1].0.is_complete() {
        pair.now += Duration::from_millis(1);
        for from in 0..2 {
            while let Some(action) = pair.ends[from].0.poll_action() {
                act(pair, from, action);
            }
        }
    }
}

fn act(pair: &mut Pair, from: usize, action: Action<Length>) {
    let now = pair.now;
    let [a, b] = &mut pair.ends;
    let (own, other) = if from == 0 { (a, b) } else { (b, a) };
    match action {
        Action::Send(_, Outgoing::Message(message)) => {
            other.0.handle_message(now, other.1, message);
        }
        Action::Send(conn, Outgoing::Block(block, payload)) => {
            own.0.handle_block_sent(now, conn, block);
            other.0.handle_block(now, other.1, block.into(), payload);
        }
        Action::Disk(DiskJob::Verify { piece, .. }) => {
            let block_digests = Vec::new();
            own.0.handle_disk(
                now,
                DiskDone::Verified {
                    piece,
                    block_digests,
                },
            );
        }
        Action::Disk(DiskJob::Spill { piece, .. }) => {
            own.0.handle_disk(now, DiskDone::Spilled(piece));
        }
        Action::Disk(DiskJob::Read { conn, block }) => {
            let payload = Length(block.length as usize);
            own.0.handle_disk(
                now,
                DiskDone::Read {
                    conn,
                    block,
                    payload,
                },
            );
        }
        _ => {}
    }
}

fn torrent(piece_length: u32, total: u64) -> Arc<Info> {
    let pieces = vec![[0; 20]; total.div_ceil(u64::from(piece_length)) as usize];
    let info = InfoBuilder::new("file", piece_length)
        .single_file(total)
        .pieces(pieces)
        .build();
    Arc::new(info.expect("a valid torrent"))
}

criterion_group!(benches, download);
criterion_main!(benches);
