//! A whole transfer: one session serves, another downloads, over loopback and through real files.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use bt_client::{AddTorrent, Mode, Session, SessionConfig, State, Subject};
use bt_metainfo::{Info, InfoBuilder};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

fn loopback(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let runtime = Runtime::new().expect("threads");
    let _guard = runtime.enter();
    let info = write_data(&folder.path().join("from"));
    let seeder = session();
    let seed = seeder.add(torrent(
        &info,
        &folder.path().join("from"),
        Mode::Seed,
        None,
    ));
    let seed = seed.expect("a valid torrent");
    runtime.block_on(seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding)));
    let seed_addr = SocketAddr::from((Ipv4Addr::LOCALHOST, seeder.listen_port()));

    let mut group = c.benchmark_group("client/loopback");
    group
        .throughput(Throughput::Bytes(LENGTH as u64))
        .sample_size(10);
    let mut runs = 0;
    group.bench_function("64mib", |b| {
        b.iter_batched(
            || {
                runs += 1;
                folder.path().join(format!("to-{runs}"))
            },
            |to| runtime.block_on(download(&info, to, seed_addr)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

async fn download(info: &Arc<Info>, to: PathBuf, seed: SocketAddr) {
    let session = session();
    let get = session.add(torrent(info, &to, Mode::Get, Some(seed)));
    let get = get.expect("a valid torrent");
    let is_over = |state: &State| matches!(state, State::Seeding | State::Failed(_));
    let last = get.wait_for(|snapshot| is_over(&snapshot.state)).await;
    assert!(matches!(last.state, State::Seeding), "{last:?}");
    drop(session);
    fs::remove_dir_all(to).expect("our own folder");
}

fn session() -> Session {
    let config = SessionConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: 0,
        ..SessionConfig::default()
    };
    Session::start(config).expect("a free port")
}

fn torrent(info: &Arc<Info>, root: &Path, mode: Mode, peer: Option<SocketAddr>) -> AddTorrent {
    let subject = Subject::whole(Arc::clone(info), mode);
    AddTorrent {
        peers: peer.into_iter().collect(),
        ..AddTorrent::new(subject, root.to_owned())
    }
}

fn write_data(root: &Path) -> Arc<Info> {
    let bytes: Vec<u8> = (0..LENGTH)
        .map(|i| (i ^ (i >> 9) ^ (i >> 17)) as u8)
        .collect();
    fs::create_dir_all(root).expect("a folder of our own");
    fs::write(root.join("data"), &bytes).expect("room for the data");
    let pieces = bytes.chunks(PIECE_LENGTH).map(bt_hash::sha1);
    let info = InfoBuilder::new("data", PIECE_LENGTH as u32)
        .single_file(LENGTH as u64)
        .pieces(pieces)
        .build();
    Arc::new(info.expect("a valid torrent"))
}

const LENGTH: usize = 64 << 20;
const PIECE_LENGTH: usize = 1 << 20;

criterion_group!(benches, loopback);
criterion_main!(benches);
