//! What `bt` remembers of a download: after each kind of end only what is in doubt is hashed, and
//! what others have done to the files meanwhile is noticed.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bt_metainfo::{Info, InfoBuilder, MetainfoBuilder};
use bt_storage::{
    FilePool, Storage,
    resume::{BootId, Keeper, Place},
};
use bt_types::{Bitfield, Totals};

use super::{Entry, MIB, PIECE_LENGTH};
use crate::{
    bt::{self, Bt, Start, exit},
    foreign::{
        Client, Torrent,
        libtorrent::{self, Format, Libtorrent},
        transmission::Transmission,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "resume/record/interrupted",
        run: interrupted,
    },
    Entry {
        name: "resume/record/killed",
        run: killed,
    },
    Entry {
        name: "resume/record/power-loss",
        run: power_loss,
    },
    Entry {
        name: "resume/record/finished",
        run: finished,
    },
    Entry {
        name: "resume/record/changed-files",
        run: changed_files,
    },
    Entry {
        name: "resume/record/bad-records",
        run: bad_records,
    },
    Entry {
        name: "resume/record/two-at-once",
        run: |case| two_at_once(case, &Payload::single(16 * MIB)),
    },
    Entry {
        name: "resume/record/two-of-many-files",
        run: |case| two_at_once(case, &Payload::multi(16 * MIB)),
    },
    Entry {
        name: "resume/record/no-state-folder",
        run: no_state_folder,
    },
    Entry {
        name: "resume/record/1-tib",
        run: one_tib,
    },
    Entry {
        name: "resume/moving-in/libtorrent",
        run: moving_in_from_libtorrent,
    },
    Entry {
        name: "resume/moving-in/transmission",
        run: moving_in_from_transmission,
    },
];

/// After Ctrl-C nothing is hashed, and not even blocks of incomplete pieces are fetched again.
fn interrupted(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::multi(16 * MIB))?;
    let (mut first, before) = download.half(|_| ())?;
    first.interrupt()?;
    first.wait_exit(exit::STOPPED, wait::SOON)?;
    let fetched = download.seeder_sent()?;
    let start = download.finish(|_| ())?;
    ensure!(start.hashed == 0, "{start:?} after a clean stop");
    ensure!(start.resumed >= before, "{start:?}, {before} were there");
    let again = fetched + download.seeder_sent_since(fetched)? - download.payload.length();
    ensure!(
        again <= END_GAME_ALLOWANCE,
        "{again} bytes were fetched twice"
    );
    Ok(())
}

/// After `kill -9` only what was just being written is hashed.
fn killed(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::multi(16 * MIB))?;
    let (mut first, before) = download.half(|_| ())?;
    first.kill();
    let start = download.finish(|_| ())?;
    ensure!(
        start.hashed <= IN_DOUBT,
        "{start:?} after a kill, with {before} there"
    );
    ensure!(
        start.resumed + start.hashed >= before,
        "{start:?}, {before} were there"
    );
    Ok(())
}

/// The machine has been off (it says so by another boot id): what was synced is believed, the rest
/// is hashed.
fn power_loss(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::single(32 * MIB))?;
    let (mut first, before) = download.half(|command| boot_as(case, command, "first"))?;
    first.kill();
    let start = download.finish(|command| boot_as(case, command, "second"))?;
    ensure!(
        start.resumed + start.hashed >= before,
        "{start:?}, {before} were there"
    );
    ensure!(start.hashed > 0, "{start:?} though not all can be synced");
    // And after a clean end it may be off as it likes.
    let mut third = download
        .get("bt-third")?
        .with(|command| boot_as(case, command, "third"))
        .start()?;
    third.wait_complete(wait::TRANSFER)?;
    let start = third.start()?;
    let expected = Start {
        resumed: download.payload.length(),
        hashed: 0,
    };
    ensure!(start == expected, "{start:?} after a clean end");
    Ok(())
}

/// What is finished is done at once, and seeded at once.
fn finished(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::multi(8 * MIB))?;
    download.finish(|_| ())?;
    let all = Start {
        resumed: download.payload.length(),
        hashed: 0,
    };
    let mut again = download.get("bt-again")?.start()?;
    again.wait_complete(wait::TRANSFER)?;
    ensure!(
        again.start()? == all,
        "{:?} of a finished one",
        again.start()
    );

    let content = bt::content(&download.folder, &download.payload.name);
    let mut seed = bt::seed(case, "bt-seed", &download.torrent, &content)?.start()?;
    let start = seed.start()?;
    ensure!(start == all, "{start:?} of one that is seeded");
    seed.interrupt()?;
    seed.wait_exit(exit::DONE, wait::SOON)?;

    for words in [&["--recheck"][..], &["--state", "elsewhere"]] {
        let mut checked = download
            .get("bt-checked")?
            .with(|command| _ = command.current_dir(case.path()).args(words))
            .start()?;
        checked.wait_complete(wait::TRANSFER)?;
        let start = checked.start()?;
        ensure!(
            start.resumed == 0 && start.hashed >= download.payload.length(),
            "{start:?} with {words:?}"
        );
    }
    Ok(())
}

/// Touched, cut, replaced, removed, changed with its times put back: each is noticed, and nothing
/// else is hashed.
fn changed_files(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::multi(8 * MIB))?;
    download.finish(|_| ())?;
    let path = |name: &str| download.folder.join("payload").join(name);
    let (first, small, large) = (path("a/first.bin"), path("z.txt"), path("large.bin"));
    let whole = fs::metadata(&large).context("looking at it")?.len();
    // By what the files have of pieces, and what neighbours have in these.
    let (of_first, of_small) = (300_000 + 2 * PIECE_LENGTH, 13_000 + 2 * PIECE_LENGTH);

    type Change<'a> = Box<dyn Fn() -> std::io::Result<()> + 'a>;
    let changes: [(&str, Change<'_>, u64); 6] = [
        (
            "touched",
            Box::new(|| open(&first)?.set_modified(SystemTime::UNIX_EPOCH)),
            of_first,
        ),
        ("cut", Box::new(|| open(&first)?.set_len(200_000)), of_first),
        ("removed", Box::new(|| fs::remove_file(&small)), of_small),
        (
            "replaced",
            Box::new(|| {
                fs::write(path("new"), vec![7; 13_000])?;
                fs::rename(path("new"), &small)
            }),
            of_small,
        ),
        (
            "changed, its time put back",
            Box::new(|| {
                let file = open(&first)?;
                let time = file.metadata()?.modified()?;
                file.write_all_at(b"others were here", 1000)?;
                file.set_modified(time)
            }),
            of_first,
        ),
        (
            "changed in a large file",
            Box::new(|| open(&large)?.write_all_at(b"others were here", whole / 2)),
            whole + 2 * PIECE_LENGTH,
        ),
    ];
    for (what, change, most) in changes {
        change().context(what)?;
        let start = download.finish(|_| ()).context(what)?;
        ensure!(
            start.hashed <= most && start.resumed + most >= download.payload.length(),
            "{what}: {start:?}, at most {most} are in doubt"
        );
    }
    Ok(())
}

/// Whatever lies where the record should: a check instead of belief.
fn bad_records(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::multi(4 * MIB))?;
    download.finish(|_| ())?;
    let other = Download::begin_named(case, &Payload::multi(4 * MIB).named("other"), "other")?;
    other.finish(|_| ())?;
    let records = records(case)?;
    let name = download.record(&records)?;
    let good = fs::read(&name).context("reading the record")?;
    let others = fs::read(other.record(&records)?).context("reading the other record")?;
    let text = |from: &str, to: &str| {
        let at = good
            .windows(from.len())
            .position(|it| it == from.as_bytes());
        let at = at.unwrap_or_default();
        [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat()
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    for (what, bytes) in [
        ("empty", vec![]),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("a bit is wrong", flipped(good.len() / 2)),
        ("another bit is wrong", flipped(good.len() - 30)),
        ("of another torrent", others),
        ("from the future", text("7:versioni1e", "7:versioni9e")),
        ("no record at all", b"i am no record".to_vec()),
        ("zeros", vec![0; good.len()]),
    ] {
        fs::write(&name, bytes).context(what)?;
        let start = download.finish(|_| ()).context(what)?;
        ensure!(
            start.resumed == 0 && start.hashed >= download.payload.length(),
            "{what}: {start:?}"
        );
    }
    Ok(())
}

/// The second one says so, whichever way it calls the folder and wherever it keeps its records, and
/// leaves the first alone.
fn two_at_once(case: &Case<'_>, payload: &Payload) -> Outcome {
    let download = Download::begin(case, payload)?;
    let (mut first, _) = download.half(|_| ())?;
    let link = case.path().join("link");
    std::os::unix::fs::symlink(&download.folder, &link).context("making a link")?;
    let content = bt::content(&download.folder, &download.payload.name);
    let state = case.folder("elsewhere")?;
    let elsewhere = |command: &mut Command| _ = command.arg("--state").arg(&state);
    for second in [
        download.get("bt-second")?,
        bt::get(case, "bt-by-link", &download.torrent, &link)?,
        bt::seed(case, "bt-seed", &download.torrent, &content)?,
        download.get("bt-get-elsewhere")?.with(elsewhere),
        bt::seed(case, "bt-seed-elsewhere", &download.torrent, &content)?.with(elsewhere),
    ] {
        let mut second = second.start()?;
        second.wait_exit(exit::OTHER, wait::SOON)?;
        second.ensure_one_line(&["another bt is using", &payload.name])?;
    }
    first.ensure_running()?;
    download.seeder.borrow_mut().limit_upload(0)?;
    first.wait_complete(wait::TRANSFER)?;
    download.payload.compare(&download.folder)
}

/// Where nothing can be remembered all goes on as if nothing were to be.
fn no_state_folder(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::single(4 * MIB))?;
    let in_the_way = case.path().join("file");
    fs::write(&in_the_way, "").context("writing a file")?;
    for _ in 0..2 {
        let path = in_the_way.join("state");
        let start = download.finish(|command| _ = command.arg("--state").arg(&path))?;
        ensure!(start.resumed == 0, "{start:?}");
    }
    Ok(())
}

/// A million pieces, all there, in a file that is one hole: known in a second, in little memory.
fn one_tib(case: &Case<'_>) -> Outcome {
    const TIB: u64 = 1 << 40;
    let hash = bt_hash::sha1(&vec![0; MIB as usize]);
    let pieces = vec![hash; (TIB / MIB) as usize];
    let builder = InfoBuilder::new("huge", MIB as u32).single_file(TIB);
    let info = builder.pieces(pieces).encode();
    let path = case.path().join("huge.torrent");
    let torrent = MetainfoBuilder::new(info.clone()).encode();
    fs::write(&path, torrent).context("writing the torrent")?;
    let info = Info::from_bytes(&info).context("reading it back")?;
    let folder = case.folder("got")?;
    let content = folder.join("huge");
    let file = File::create(&content).context("making the file")?;
    file.set_len(TIB).context("making it long")?;

    // As if it had been hashed, which takes a quarter of an hour.
    let pool = Arc::new(FilePool::new(FilePool::DEFAULT_MAX_OPEN));
    let storage = Storage::new(folder, Arc::new(info), pool);
    let state = case.folder("state/bt")?;
    let place = Place::lock(&state, &storage).context("taking the place")?;
    let boot = BootId::current();
    let start = place.start(&storage, boot.as_ref()).context("looking")?;
    let have = Bitfield::full(storage.layout().piece_count());
    let keeper = Keeper::begin(place, &storage, start, have, boot).context("beginning")?;
    let finished = keeper.finish(&storage, Totals::default());
    finished.context("leaving a record")?;

    let torrent = Torrent {
        path,
        info_hash: None,
        info_hash_v2: None,
    };
    let started = Instant::now();
    let mut seed = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;
    let start = seed.start()?;
    let took = started.elapsed();
    let memory = seed.peak_memory()?;
    ensure!(start.resumed == TIB && start.hashed == 0, "{start:?}");
    ensure!(memory < 64 * MIB, "{} KiB of memory", memory / 1024);
    ensure!(took < Duration::from_secs(1), "known after {took:?}");
    Ok(())
}

/// What another client has left half-way is found and used.
fn moving_in_from_libtorrent(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::single(16 * MIB))?;
    let mut other = Libtorrent::peer(case, "leecher", &download.torrent, &download.folder)?
        .connect(download.seeder.borrow().address())
        .leech()?;
    wait::until("libtorrent is in the middle", wait::TRANSFER, || {
        Ok((other.downloaded() > download.payload.length() / 3).then_some(()))
    })?;
    other.stop()?;
    move_in(&download)
}

/// What another client has fetched is found and used.
fn moving_in_from_transmission(case: &Case<'_>) -> Outcome {
    let download = Download::begin(case, &Payload::single(8 * MIB))?;
    download.seeder.borrow_mut().limit_upload(0)?;
    let client: &dyn Client = &Transmission;
    let mut other = client.start_listening(case, &download.torrent, &download.folder, None)?;
    download.seeder.borrow_mut().connect(other.address())?;
    other.wait_complete(wait::TRANSFER)?;
    other.stop()?;
    move_in(&download)
}

fn move_in(download: &Download<'_>) -> Outcome {
    let there = download
        .payload
        .bytes_in_good_pieces(&download.folder, PIECE_LENGTH)?;
    ensure!(there > 0, "nothing is there to be taken over");
    let sent = download.seeder_sent()?;
    let start = download.finish(|_| ())?;
    ensure!(
        start.resumed == 0 && start.hashed >= there,
        "{start:?} of {there} bytes that nobody has told of"
    );
    let fetched = download.seeder_sent_since(sent)?;
    let missing = download.payload.length() - there;
    ensure!(
        fetched <= missing + END_GAME_ALLOWANCE,
        "{fetched} bytes fetched where {missing} were missing"
    );
    // From now on it is known.
    let start = download.finish(|_| ())?;
    ensure!(start.hashed == 0, "{start:?} the second time");
    Ok(())
}

/// A torrent, its seeder, and the folder that it goes to.
struct Download<'a> {
    case: &'a Case<'a>,
    payload: Payload,
    torrent: Torrent,
    seeder: std::cell::RefCell<Libtorrent>,
    folder: PathBuf,
}

impl<'a> Download<'a> {
    fn begin(case: &'a Case<'a>, payload: &Payload) -> Outcome<Self> {
        Self::begin_named(case, payload, "got")
    }

    fn begin_named(case: &'a Case<'a>, payload: &Payload, folder: &str) -> Outcome<Self> {
        let data = case.folder("seed")?;
        payload.write_to(&data)?;
        let content = data.join(&payload.name);
        let torrent =
            libtorrent::create(case, &payload.name, &content, Format::V1, PIECE_LENGTH, &[])?;
        let seeder = Libtorrent::peer(case, "seeder", &torrent, &data)?;
        let seeder = seeder.upload_limit(payload.length() / 8).seed()?;
        Ok(Self {
            case,
            payload: payload.clone(),
            torrent,
            seeder: seeder.into(),
            folder: case.folder(folder)?,
        })
    }

    fn get(&self, name: &str) -> Outcome<bt::Builder<'a>> {
        bt::get(self.case, name, &self.torrent, &self.folder)
    }

    /// A `bt get` that is in the middle, and how many bytes it has.
    fn half(&self, change: impl FnOnce(&mut Command)) -> Outcome<(Bt, u64)> {
        let peer = self.seeder.borrow().address();
        let mut first = self.get("bt-first")?.peer(peer).with(change).start()?;
        let before = first.wait_middle(self.payload.length() / 3)?;
        Ok((first, before.bytes_done))
    }

    /// Another run, as fast as it goes, to the end: what it found when it began.
    fn finish(&self, change: impl FnOnce(&mut Command)) -> Outcome<Start> {
        self.seeder.borrow_mut().limit_upload(0)?;
        let peer = self.seeder.borrow().address();
        let mut second = self.get("bt-second")?.peer(peer).with(change).start()?;
        second.wait_complete(wait::TRANSFER)?;
        self.payload.compare(&self.folder)?;
        second.start()
    }

    fn seeder_sent(&self) -> Outcome<u64> {
        self.seeder.borrow_mut().uploaded_when_alone()
    }

    fn seeder_sent_since(&self, before: u64) -> Outcome<u64> {
        Ok(self.seeder_sent()? - before)
    }

    /// Its record among others.
    fn record(&self, records: &[PathBuf]) -> Outcome<PathBuf> {
        let hash = self.torrent.info_hash.clone().context("a v1 torrent")?;
        let is_its = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&hash)
        };
        let found = records.iter().find(is_its).cloned();
        found.context(format_args!("no record of {hash} in {records:?}"))
    }
}

/// The records of the case, as they are by default.
fn records(case: &Case<'_>) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(case.folder("state/bt")?).context("listing records")?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.extension().is_some_and(|it| it == "resume"))
        .collect())
}

/// Lets a command believe that the machine was started anew: in a mount namespace of its own, in
/// which another file lies over the kernel's. Needs root, as the faulty disks do.
pub(super) fn boot_as(case: &Case<'_>, command: &mut Command, boot: &str) {
    let id = case.path().join(format!("boot-{boot}"));
    // If it cannot be written the command fails, and says so.
    let _ = fs::write(&id, format!("{boot}\n"));
    let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "sh", "-c", script]).arg(id);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    *command = wrapped;
}

fn open(path: &Path) -> std::io::Result<File> {
    // Times are counted in ticks: a change within the tick of the last write could not be seen.
    std::thread::sleep(Duration::from_millis(20));
    File::options().read(true).write(true).open(path)
}

/// The last blocks may be asked of, or sent by, a peer twice.
const END_GAME_ALLOWANCE: u64 = 256 * 1024;
/// As much as the threads of the disk have in hand: far less than the memory for blocks.
const IN_DOUBT: u64 = 8 * MIB;
