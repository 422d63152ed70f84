use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Instant,
};

use bt_client::{
    AddTorrent, LocalTracker, Mode, Session, SessionConfig, SessionError, Snapshot, State,
    TorrentHandle,
};
use bt_metainfo::{Info, InfoBuilder};
use bt_tracker_udp::ServerConfig;

use crate::{
    arguments::Demo,
    exit::{Exit, Failure},
    format::{bytes, rate},
    logging,
    progress::Progress,
    transfer::{self, interrupted},
};

pub(crate) fn run(demo: &Demo, quiet: bool) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("bt-demo-").tempdir();
    // Removes what it holds when it goes, however we end.
    let folder = folder.map_err(|error| disk("make a folder for the demonstration", &error))?;
    let progress = Progress::new(demo.json, quiet);
    let result = transfer::block_on(async {
        let show = Show {
            folder: folder.path(),
            size: demo.size,
            is_talkative: !demo.json && !quiet,
        };
        tokio::select! {
            result = show.play(progress) => result,
            () = interrupted() => Err(Failure::new(Exit::Stopped, "interrupted")),
        }
    });
    let path = folder.path().to_owned();
    let removed = folder.close();
    result.and(removed.map_err(|error| disk(&format!("remove {}", path.display()), &error)))
}

struct Show<'a> {
    folder: &'a Path,
    size: u64,
    is_talkative: bool,
}

impl Show<'_> {
    async fn play(&self, mut progress: Progress) -> Result<(), Failure> {
        let (from, to) = (self.folder.join("seeder"), self.folder.join("download"));
        self.tell(&format!("making a file of {}", bytes(self.size)));
        let info = make_data(&from, self.size).map_err(|error| disk("make the file", &error))?;
        let info = Arc::new(info);

        let here = (Ipv4Addr::LOCALHOST, 0).into();
        let tracker = LocalTracker::start(here, ServerConfig::default()).map_err(no_network)?;
        self.tell(&format!("tracker    {}", tracker.url()));
        let (seeder, _seed) = self.start_seeder(&info, &from, &tracker).await?;
        self.tell(&format!("seeder     127.0.0.1:{}", seeder.listen_port()));
        let leecher = start_session()?;
        self.tell(&format!("download   127.0.0.1:{}", leecher.listen_port()));
        progress.listening(leecher.listen_port());

        let started = Instant::now();
        let mut get = add(&leecher, &info, &to, Mode::Get, &tracker)?;
        transfer::watch(&mut get, &mut progress, is_seeding).await?;
        let (elapsed, snapshot) = (started.elapsed(), get.snapshot());
        if !is_same(&from.join(NAME), &to.join(NAME))
            .map_err(|error| disk("compare the files", &error))?
        {
            let message = "the downloaded file differs from the original";
            return Err(Failure::new(Exit::Verification, message));
        }
        let average = (self.size as f64 / elapsed.as_secs_f64()) as u64;
        let words = format!(
            "{} in {:.1} s ({}), every byte compared",
            bytes(self.size),
            elapsed.as_secs_f64(),
            rate(average)
        );
        progress.complete(&snapshot, &words);
        get.stop().await;
        let seen = tracker.stats(info.ids().primary_swarm_id()).announces;
        self.tell(&format!(
            "the tracker heard: {} started, {} completed, {} stopped",
            seen.started, seen.completed, seen.stopped
        ));
        Ok(())
    }

    /// Returns once the tracker knows the seeder.
    async fn start_seeder(
        &self,
        info: &Arc<Info>,
        folder: &Path,
        tracker: &LocalTracker,
    ) -> Result<(Session, TorrentHandle), Failure> {
        let session = start_session()?;
        let seed = add(&session, info, folder, Mode::Seed, tracker)?;
        let mut events = seed.events();
        while tracker.stats(info.ids().primary_swarm_id()).seeders == 0 {
            if let State::Failed(error) = &seed.snapshot().state {
                return Err(transfer::failure(error));
            }
            if events.next().await.is_none() {
                return Err(Failure::other("the seeder ended unexpectedly"));
            }
        }
        Ok((session, seed))
    }

    fn tell(&self, line: &str) {
        if self.is_talkative {
            logging::tell(line);
        }
    }
}

fn start_session() -> Result<Session, Failure> {
    let config = SessionConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: 0,
        ..SessionConfig::default()
    };
    Session::start(config).map_err(no_network)
}

fn add(
    session: &Session,
    info: &Arc<Info>,
    root: &Path,
    mode: Mode,
    tracker: &LocalTracker,
) -> Result<TorrentHandle, Failure> {
    let torrent = AddTorrent {
        info: Arc::clone(info),
        root: root.to_owned(),
        mode,
        trackers: vec![vec![tracker.url()]],
        peers: Vec::new(),
    };
    session
        .add(torrent)
        .map_err(|error| Failure::other(error.to_string()))
}

fn is_seeding(snapshot: &Snapshot) -> bool {
    matches!(snapshot.state, State::Seeding)
}

/// Writes a file that does not compress, and describes it as a torrent.
fn make_data(folder: &Path, size: u64) -> io::Result<Info> {
    fs::create_dir_all(folder)?;
    let mut file = BufWriter::new(File::create(folder.join(NAME))?);
    let piece_length = piece_length(size);
    let mut piece = vec![0; piece_length as usize];
    let mut noise = Noise(size);
    let mut hashes = Vec::new();
    let mut left = size;
    while left > 0 {
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        noise.fill(&mut piece);
        file.write_all(&piece)?;
        hashes.push(bt_hash::sha1(&piece));
        left -= piece.len() as u64;
    }
    file.flush()?;
    let info = InfoBuilder::new(NAME, piece_length)
        .single_file(size)
        .pieces(hashes)
        .build();
    info.map_err(io::Error::other)
}

/// About a thousand pieces, in powers of two.
fn piece_length(size: u64) -> u32 {
    let wanted = (size / 1024).clamp(MIN_PIECE_LENGTH, MAX_PIECE_LENGTH);
    wanted.next_power_of_two() as u32
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut ours, mut theirs) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
    loop {
        let read = one.read(&mut ours)?;
        if read == 0 {
            return Ok(other.read(&mut theirs)? == 0);
        }
        match other.read_exact(&mut theirs[..read]) {
            Ok(()) if ours[..read] == theirs[..read] => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(false),
        }
    }
}

/// SplitMix64: fast, and as good as random for a file.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            word.copy_from_slice(&mixed.to_le_bytes()[..word.len()]);
        }
    }
}

fn no_network(error: SessionError) -> Failure {
    Failure::other(error.to_string())
}

fn disk(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Disk, format!("cannot {what}: {error}"))
}

const NAME: &str = "demo.bin";
const MIN_PIECE_LENGTH: u64 = 64 << 10;
const MAX_PIECE_LENGTH: u64 = 16 << 20;
const COMPARED_AT_ONCE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_about_a_thousand() {
        assert_eq!(piece_length(1), 64 << 10);
        assert_eq!(piece_length(64 << 20), 64 << 10);
        assert_eq!(piece_length(1 << 30), 1 << 20);
        assert_eq!(piece_length(64 << 30), 16 << 20);
    }

    #[test]
    fn a_difference_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("1"), folder.path().join("2"));
        let mut data = vec![7; COMPARED_AT_ONCE + 10];
        fs::write(&one, &data).unwrap();
        fs::write(&other, &data).unwrap();
        assert!(is_same(&one, &other).unwrap());
        fs::write(&other, &data[1..]).unwrap();
        assert!(!is_same(&one, &other).unwrap() && !is_same(&other, &one).unwrap());
        *data.last_mut().unwrap() = 8;
        fs::write(&other, &data).unwrap();
        assert!(!is_same(&one, &other).unwrap());
    }
}
