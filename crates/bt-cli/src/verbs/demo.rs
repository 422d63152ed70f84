use std::{
    cell::RefCell,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bt_client::{
    AddTorrent, LocalTracker, Mode, OnDiskError, Session, SessionConfig, SessionError, Snapshot,
    State, Subject, TorrentHandle,
};
use bt_metainfo::{Info, InfoBuilder};
use bt_tracker_udp::ServerConfig;
use tempfile::TempDir;
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    arguments::Demo,
    exit::{Exit, Failure},
    format::{bytes, in_full, printable, rate, reason},
    interrupt::Interrupt,
    logging,
    progress::Progress,
    transfer,
};

pub(crate) fn run(demo: &Demo, quiet: bool) -> Result<(), Failure> {
    let progress = Progress::new(demo.json, quiet);
    let is_talkative = !demo.json && !quiet;
    transfer::block_on(perform(demo.size, progress, is_talkative))
}

/// However it ends, nothing is left behind.
async fn perform(size: u64, progress: Progress, is_talkative: bool) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let folder = tempfile::Builder::new().prefix("bt-demo-").tempdir();
    let folder = folder.map_err(|error| disk("make a folder for the demonstration", &error))?;
    let path = folder.path().to_owned();
    let remove_at_once = move || {
        // What cannot be removed while it is written to is left to the system.
        let _ = fs::remove_dir_all(&path);
    };
    interrupt.set_last_act(remove_at_once.clone());
    let (stage, workers) = Stage::new(folder.path());
    let show = Show {
        stage: &stage,
        size,
        is_talkative,
    };
    let result = tokio::select! {
        biased;
        () = interrupt.requested() => Err(Failure::new(Exit::Stopped, "interrupted")),
        result = show.play(progress) => result,
    };
    interrupt.end_at_next(remove_at_once);
    stage.clear(workers).await;
    result.and(remove(folder))
}

/// What the demonstration has under way, and must end before its folder can go.
struct Stage {
    folder: PathBuf,
    torrents: RefCell<Vec<(Session, TorrentHandle)>>,
    is_over: Arc<AtomicBool>,
    /// Every worker holds one.
    working: mpsc::Sender<()>,
}

/// Ends when no worker is left.
type Workers = mpsc::Receiver<()>;

impl Stage {
    fn new(folder: &Path) -> (Self, Workers) {
        let (working, workers) = mpsc::channel(1);
        let stage = Self {
            folder: folder.to_owned(),
            torrents: RefCell::default(),
            is_over: Arc::default(),
            working,
        };
        (stage, workers)
    }

    /// Does what takes long on a thread of its own; `work` gives up when its flag is set.
    async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (is_over, working) = (Arc::clone(&self.is_over), self.working.clone());
        let done = spawn_blocking(move || {
            let result = work(&is_over);
            drop(working);
            result
        });
        done.await.map_err(io::Error::other)?
    }

    /// Starts a session with the demonstration's torrent, and returns its port, too.
    fn start(
        &self,
        info: &Arc<Info>,
        folder: &str,
        mode: Mode,
        tracker: &LocalTracker,
    ) -> Result<(TorrentHandle, u16), Failure> {
        let config = SessionConfig {
            bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            listen_port: 0,
            on_disk_error: OnDiskError::Fail,
            ..SessionConfig::default()
        };
        let session = Session::start(config).map_err(no_network)?;
        let subject = Subject::whole(Arc::clone(info), mode);
        let torrent = AddTorrent {
            trackers: vec![vec![tracker.url()]],
            ..AddTorrent::new(subject, self.folder.join(folder))
        };
        let added = session.add(torrent);
        let handle = added.map_err(|error| Failure::other(in_full(&error)))?;
        let port = session.listen_port();
        self.torrents.borrow_mut().push((session, handle.clone()));
        Ok((handle, port))
    }

    /// Stops everything and waits for it, so that nobody writes any more.
    async fn clear(self, mut workers: Workers) {
        self.is_over.store(true, Ordering::Relaxed);
        for (session, torrent) in self.torrents.take() {
            torrent.stop().await;
            drop(session);
        }
        drop(self.working);
        while workers.recv().await.is_some() {}
    }
}

struct Show<'a> {
    stage: &'a Stage,
    size: u64,
    is_talkative: bool,
}

impl Show<'_> {
    async fn play(&self, mut progress: Progress) -> Result<(), Failure> {
        let (stage, size) = (self.stage, self.size);
        self.tell(&format!("making a file of {}", bytes(size)));
        let from = stage.folder.join(SEEDER);
        let made = stage.in_background(move |is_over| make_data(&from, size, is_over));
        let info = made.await.map_err(|error| disk("make the file", &error))?;
        let info = Arc::new(info);

        let here = (Ipv4Addr::LOCALHOST, 0).into();
        let tracker = LocalTracker::start(here, ServerConfig::default()).map_err(no_network)?;
        self.tell(&format!("tracker    {}", tracker.url()));
        let (seed, port) = stage.start(&info, SEEDER, Mode::Seed, &tracker)?;
        until_known(&seed, &info, &tracker).await?;
        self.tell(&format!("seeder     127.0.0.1:{port}"));

        let started = Instant::now();
        let (mut get, port) = stage.start(&info, DOWNLOAD, Mode::Get, &tracker)?;
        self.tell(&format!("download   127.0.0.1:{port}"));
        progress.listening(port);
        transfer::watch(&mut get, &mut progress, is_seeding).await?;
        let (elapsed, snapshot) = (started.elapsed(), get.snapshot());
        self.compare().await?;
        let average = (size as f64 / elapsed.as_secs_f64()) as u64;
        let words = format!(
            "{} in {:.1} s ({}), every byte compared",
            bytes(size),
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
        seed.stop().await;
        Ok(())
    }

    async fn compare(&self) -> Result<(), Failure> {
        let [from, to] = [SEEDER, DOWNLOAD].map(|folder| self.stage.folder.join(folder).join(NAME));
        let compared = self
            .stage
            .in_background(move |is_over| is_same(&from, &to, is_over));
        match compared.await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let message = "the downloaded file differs from the original";
                Err(Failure::new(Exit::Verification, message))
            }
            Err(error) => Err(disk("compare the files", &error)),
        }
    }

    fn tell(&self, line: &str) {
        if self.is_talkative {
            logging::tell(line);
        }
    }
}

/// Returns once the tracker knows the seeder.
async fn until_known(
    seed: &TorrentHandle,
    info: &Info,
    tracker: &LocalTracker,
) -> Result<(), Failure> {
    let mut events = seed.events();
    while tracker.stats(info.ids().primary_swarm_id()).seeders == 0 {
        if let State::Failed(error) = &seed.snapshot().state {
            return Err(transfer::failure(error));
        }
        if events.next().await.is_none() {
            return Err(Failure::other("the seeder ended unexpectedly"));
        }
    }
    Ok(())
}

fn is_seeding(snapshot: &Snapshot) -> bool {
    matches!(snapshot.state, State::Seeding)
}

/// Writes a file that does not compress, and describes it as a torrent.
fn make_data(folder: &Path, size: u64, is_over: &AtomicBool) -> io::Result<Info> {
    fs::create_dir_all(folder)?;
    let mut file = BufWriter::new(File::create(folder.join(NAME))?);
    let piece_length = piece_length(size);
    let mut piece = vec![0; piece_length as usize];
    let mut noise = Noise(size);
    let mut hashes = Vec::new();
    let mut left = size;
    while left > 0 {
        go_on(is_over)?;
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

fn is_same(one: &Path, other: &Path, is_over: &AtomicBool) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut ours, mut theirs) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
    loop {
        go_on(is_over)?;
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

fn go_on(is_over: &AtomicBool) -> io::Result<()> {
    match is_over.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::Interrupted.into()),
        false => Ok(()),
    }
}

/// Removes the folder, even if a file is just being made in it by a thread that cannot be waited
/// for.
fn remove(folder: TempDir) -> Result<(), Failure> {
    let mut result = Ok(());
    for attempt in 0..REMOVALS {
        if attempt > 0 {
            thread::sleep(REMOVAL_PAUSE);
        }
        result = match fs::remove_dir_all(folder.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        if result.is_ok() {
            break;
        }
    }
    let path = folder.keep();
    result.map_err(|error| {
        let shown = printable(&path.to_string_lossy());
        disk(&format!("remove {shown}"), &error)
    })
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
    Failure::other(in_full(&error))
}

fn disk(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Disk, format!("cannot {what}: {}", reason(error)))
}

const NAME: &str = "demo.bin";
const SEEDER: &str = "seeder";
const DOWNLOAD: &str = "download";
const MIN_PIECE_LENGTH: u64 = 64 << 10;
const MAX_PIECE_LENGTH: u64 = 16 << 20;
const COMPARED_AT_ONCE: usize = 1 << 20;
const REMOVALS: usize = 10;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

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
        let is_same = |one: &Path, other: &Path| is_same(one, other, &false.into()).unwrap();
        let mut data = vec![7; COMPARED_AT_ONCE + 10];
        fs::write(&one, &data).unwrap();
        fs::write(&other, &data).unwrap();
        assert!(is_same(&one, &other));
        fs::write(&other, &data[1..]).unwrap();
        assert!(!is_same(&one, &other) && !is_same(&other, &one));
        *data.last_mut().unwrap() = 8;
        fs::write(&other, &data).unwrap();
        assert!(!is_same(&one, &other));
    }

    #[test]
    fn who_is_told_that_it_is_over_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let made = make_data(folder.path(), 1 << 40, &true.into());
        assert_eq!(made.unwrap_err().kind(), io::ErrorKind::Interrupted);
        let file = folder.path().join(NAME);
        let same = is_same(&file, &file, &true.into());
        assert_eq!(same.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn nobody_works_on_a_stage_that_was_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let result = transfer::block_on(async {
            let (stage, workers) = Stage::new(&path);
            let left_behind = path.join("file");
            let work = stage.in_background(move |is_over| {
                while !is_over.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                fs::write(left_behind, "late")
            });
            tokio::select! {
                biased;
                _ = work => unreachable!("it is not over yet"),
                () = tokio::task::yield_now() => {}
            }
            stage.clear(workers).await;
            assert!(path.join("file").exists(), "the worker was waited for");
            remove(folder)
        });
        result.unwrap();
        assert!(!path.exists());
    }
}
