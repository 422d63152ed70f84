//! Disks that fail for a while, and a `bt` that waits for them: one line at the beginning, one at
//! the end, and between them nothing is lost or claimed.

use std::{fs, io, path::Path};

use rustix::io::Errno;

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt, exit},
    fault_fs::{Call, Fault, FaultFs},
    foreign::{
        libtorrent::{self, Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Context, Outcome, Payload, ensure, tempdir::Tmpfs, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "disk/waits/full",
        run: full,
    },
    Entry {
        name: "disk/waits/read-only",
        run: read_only,
    },
    Entry {
        name: "disk/waits/write-full",
        run: |case| write_fails(case, Errno::NOSPC, "full"),
    },
    Entry {
        name: "disk/waits/write-error",
        run: |case| write_fails(case, Errno::IO, "other"),
    },
    Entry {
        name: "disk/waits/write-read-only",
        run: |case| write_fails(case, Errno::ROFS, "read_only"),
    },
    Entry {
        name: "disk/waits/read-back-error",
        run: read_back_error,
    },
    Entry {
        name: "disk/waits/check-error",
        run: check_error,
    },
    Entry {
        name: "disk/waits/seed-read-error",
        run: seed_read_error,
    },
    Entry {
        name: "disk/waits/file-removed",
        run: file_removed,
    },
    Entry {
        name: "disk/waits/folder-removed",
        run: folder_removed,
    },
    Entry {
        name: "disk/waits/file-moved",
        run: |case| removed(case, &Payload::single(8 * MIB), move_away),
    },
    Entry {
        name: "disk/waits/folder-moved",
        run: |case| removed(case, &Payload::multi(8 * MIB), move_away),
    },
    Entry {
        name: "disk/waits/file-replaced",
        run: file_replaced,
    },
    Entry {
        name: "disk/waits/unmounted",
        run: unmounted,
    },
    Entry {
        name: "disk/waits/seed-file-removed",
        run: |case| seed_loses(case, Loss::Removed),
    },
    Entry {
        name: "disk/waits/seed-file-cut",
        run: |case| seed_loses(case, Loss::Cut),
    },
    Entry {
        name: "disk/waits/other-torrents-go-on",
        run: other_torrents_go_on,
    },
    Entry {
        name: "disk/waits/timeout",
        run: |case| stopped(case, |bt| bt.wait_exit(exit::STOPPED, wait::TRANSFER)),
    },
    Entry {
        name: "disk/waits/interrupted",
        run: |case| {
            stopped(case, |bt| {
                bt.interrupt()?;
                bt.wait_exit(exit::STOPPED, wait::SOON)
            })
        },
    },
];

/// A real file system is full, and gets room again.
fn full(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let disk = Tmpfs::mount(&folder, 4 * MIB)?;
    let mut bt = waiting(bt::get(case, "bt-get", &torrent, &folder)?.peer(seeder.address()))?;
    wait_trouble(&mut bt, "full", &folder.join(&payload.name))?;
    let claimed = wait_disk_trouble(&mut bt)?;
    let kept = payload.bytes_in_good_pieces(&folder, PIECE_LENGTH)?;
    ensure!(kept > 0, "nothing was written before the disk was full");
    ensure!(
        kept >= claimed,
        "{claimed} bytes done, {kept} right on disk"
    );

    disk.resize(16 * MIB)?;
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "no space left on device; make room, and it goes on")?;
    payload.compare(&folder)?;
    let uploaded = seeder.uploaded_when_alone()?;
    ensure!(
        uploaded == payload.length(),
        "{uploaded} bytes were fetched, though what came was kept"
    );
    Ok(())
}

/// Nothing can be written at first.
fn read_only(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(2 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let disk = Tmpfs::mount(&folder, 16 * MIB)?;
    disk.set_read_only(true)?;
    let mut bt = waiting(bt::get(case, "bt-get", &torrent, &folder)?.peer(seeder.address()))?;
    bt.wait_said("disk_trouble", wait::TRANSFER)?;
    disk.set_read_only(false)?;
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "read-only file system")?;
    payload.compare(&folder)
}

/// From the fortieth piece on nothing can be written, for a while.
fn write_fails(case: &Case<'_>, errno: Errno, kind: &str) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    disk.strike(Call::Write, Fault::Error(errno), 40)?;
    let mut bt = waiting(bt::get(case, "bt-get", &torrent, disk.path())?.peer(seeder.address()))?;
    let address = bt.wait_listening()?;
    wait_trouble(&mut bt, kind, &disk.path().join(&payload.name))?;
    let claimed = wait_disk_trouble(&mut bt)?;
    // Some of them may not be reported yet: several threads write.
    ensure!(
        claimed <= 40 * PIECE_LENGTH,
        "{claimed} bytes are done after 40 pieces were written"
    );

    // What has been written is served meanwhile.
    let folder = case.folder("served")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(address)
        .leech()?;
    bt.wait_progress("serves", wait::TRANSFER, |progress| progress.uploaded > MIB)?;
    disk.lift()?;
    bt.wait_complete(wait::TRANSFER)?;
    let downloaded = bt.progress().map_or(0, |progress| progress.downloaded);
    ensure!(downloaded == payload.length(), "{downloaded} bytes fetched");
    ensure_two_lines(&bt, "cannot write")?;
    leecher.stop()?;
    payload.compare(disk.backing())
}

/// Pieces that do not fit into memory are written as they come: reading them back fails for a while.
fn read_back_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(16 * MIB);
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let content = folder.join(&payload.name);
    let torrent = libtorrent::create(case, "large", &content, Format::V1, 4 * MIB, &[])?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &folder)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 4)?;
    let builder = bt::get(case, "bt-get", &torrent, disk.path())?
        .peer(seeder.address())
        .with(|command| _ = command.args(["--memory", "4M"]));
    let mut bt = waiting(builder)?;
    wait_trouble(&mut bt, "other", &disk.path().join(&payload.name))?;
    disk.lift()?;
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "input/output error")?;
    payload.compare(disk.backing())
}

/// What was fetched before cannot be read at first: it is not fetched again.
fn check_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    payload.write_to(disk.backing())?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 3)?;
    let mut bt = waiting(bt::get(case, "bt-get", &torrent, disk.path())?.peer(seeder.address()))?;
    wait_trouble(&mut bt, "other", &disk.path().join(&payload.name))?;
    disk.lift()?;
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "input/output error")?;
    let downloaded = bt.progress().map_or(0, |progress| progress.downloaded);
    ensure!(downloaded == 0, "{downloaded} bytes were fetched again");
    payload.compare(disk.backing())
}

/// The disk fails while a peer is being served, which has everything in the end.
fn seed_read_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut disk = FaultFs::mount(case)?;
    payload.write_to(disk.backing())?;
    let content = bt::content(disk.path(), &payload.name);
    let mut bt = waiting(bt::seed(case, "bt-seed", &torrent, &content)?)?;
    wait_seeding(&mut bt, &payload)?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 20)?;
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(bt.wait_listening()?)
        .leech()?;
    wait_trouble(&mut bt, "other", &content)?;
    disk.lift()?;
    bt.wait_said("disk_recovered", wait::TRANSFER)?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    bt.ensure_running()?;
    ensure_two_lines(&bt, "input/output error")?;
    payload.compare(&folder)
}

/// Somebody removes the file that is being fetched: all of it is fetched again.
fn file_removed(case: &Case<'_>) -> Outcome {
    removed(case, &Payload::single(8 * MIB), |path| {
        fs::remove_file(path)
    })
}

/// What others put there is not taken for what was written, though it is as long.
fn file_replaced(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    removed(case, &payload, |path| {
        move_away(path)?;
        fs::write(path, vec![7; payload.length() as usize])
    })
}

fn move_away(path: &Path) -> io::Result<()> {
    fs::rename(path, path.with_file_name("elsewhere"))
}

/// Nothing is written to the folder below, and nothing that is on the disk is fetched again.
fn unmounted(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let disk = Tmpfs::mount(&case.folder("disk")?, 16 * MIB)?;
    let folder = case.folder("got")?;
    let plugged = disk.plug_in(&folder)?;
    let builder = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| _ = command.args(["--limit-down", "2M"]));
    let mut bt = waiting(builder)?;
    bt.wait_middle(payload.length() / 3)?;
    drop(plugged);
    let trouble = bt.wait_said("disk_trouble", wait::TRANSFER)?;
    ensure!(trouble["kind"] == "missing", "{trouble}");
    let claimed = wait_disk_trouble(&mut bt)?;
    let around = || fs::read_dir(&folder).map(Iterator::count);
    ensure!(
        around().context("reading the folder")? == 0,
        "it was written around"
    );
    let plugged = disk.plug_in(&folder)?;
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "not mounted")?;
    payload.compare(&folder)?;
    let uploaded = seeder.uploaded_when_alone()?;
    ensure!(
        uploaded == payload.length(),
        "{uploaded} bytes were fetched, {claimed} of which the disk had"
    );
    drop(plugged);
    ensure!(
        around().context("reading the folder")? == 0,
        "it was written around"
    );
    Ok(())
}

/// Or the folder, with what is complete in it.
fn folder_removed(case: &Case<'_>) -> Outcome {
    removed(case, &Payload::multi(8 * MIB), |path| {
        fs::remove_dir_all(path)
    })
}

fn removed(
    case: &Case<'_>,
    payload: &Payload,
    remove: impl Fn(&Path) -> io::Result<()>,
) -> Outcome {
    let torrent = made_by_libtorrent(case, payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let builder = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| _ = command.args(["--limit-down", "2M"]));
    let mut bt = waiting(builder)?;
    bt.wait_middle(payload.length() / 3)?;
    remove(&folder.join(&payload.name)).context("removing what is being fetched")?;
    let trouble = bt.wait_said("disk_trouble", wait::TRANSFER)?;
    ensure!(trouble["kind"] == "missing", "{trouble}");
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "cannot write")?;
    payload.compare(&folder)
}

#[derive(Clone, Copy)]
enum Loss {
    Removed,
    Cut,
}

/// A file that is being served is lost, and put back: who wants it waits, and has it in the end.
fn seed_loses(case: &Case<'_>, loss: Loss) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let from = case.folder("from")?;
    payload.write_to(&from)?;
    let content = bt::content(&from, &payload.name);
    let mut bt = waiting(bt::seed(case, "bt-seed", &torrent, &content)?)?;
    wait_seeding(&mut bt, &payload)?;
    match loss {
        Loss::Removed => fs::remove_file(&content).context("removing a file")?,
        Loss::Cut => {
            let file = fs::File::options().write(true).open(&content);
            let file = file.context("opening a file")?;
            file.set_len(MIB).context("cutting a file")?;
        }
    }
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(bt.wait_listening()?)
        .leech()?;
    wait_trouble(&mut bt, "missing", &content)?;
    let left = match loss {
        Loss::Removed => 0,
        Loss::Cut => MIB,
    };
    bt.wait_progress("knows what it has", wait::TRANSFER, |progress| {
        progress.bytes_done == left
    })?;
    payload.write_to(&from)?;
    bt.wait_said("disk_recovered", wait::TRANSFER)?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    bt.ensure_running()?;
    ensure_two_lines(&bt, "cannot read")?;
    payload.compare(&folder)
}

/// The folder of one of two torrents is a small disk of its own: the other is complete before there
/// is room.
fn other_torrents_go_on(case: &Case<'_>) -> Outcome {
    let payloads = [Payload::multi(4 * MIB), Payload::single(8 * MIB)];
    let [held, free] = &payloads;
    let content = case.folder("seed")?;
    let mut torrents = Vec::new();
    for payload in &payloads {
        payload.write_to(&content)?;
        let path = content.join(&payload.name);
        let torrent = libtorrent::create(case, &payload.name, &path, Format::V1, PIECE_LENGTH, &[]);
        torrents.push(torrent?);
    }
    let seeders = [
        Libtorrent::peer(case, "seeder-held", &torrents[0], &content)?.seed()?,
        Libtorrent::peer(case, "seeder-free", &torrents[1], &content)?.seed()?,
    ];
    let folder = case.folder("got")?;
    let small = folder.join(&held.name);
    fs::create_dir(&small).context("making a folder")?;
    let disk = Tmpfs::mount(&small, MIB)?;
    let builder = bt::get(case, "bt-get", &torrents[0], &folder)?
        .peer(seeders[0].address())
        .peer(seeders[1].address())
        .with(|command| _ = command.arg(&torrents[1].path));
    let mut bt = waiting(builder)?;
    let trouble = bt.wait_said("disk_trouble", wait::TRANSFER)?;
    ensure!(trouble["name"] == *held.name, "{trouble}");
    let complete = bt.wait_said("complete", wait::TRANSFER)?;
    ensure!(complete["name"] == *free.name, "{complete}");
    ensure!(
        bt.latest("disk_recovered").is_err(),
        "there was no room yet"
    );
    disk.resize(16 * MIB)?;
    bt.wait_complete(wait::TRANSFER)?;
    ensure_two_lines(&bt, "no space left on device")?;
    held.compare(&folder)?;
    free.compare(&folder)
}

/// A `get` that waits for a full disk ends as any other, and its tracker is told.
fn stopped(case: &Case<'_>, end: impl Fn(&mut Bt) -> Outcome) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&torrent, 1)?;
    let folder = case.folder("got")?;
    let _disk = Tmpfs::mount(&folder, 4 * MIB)?;
    let builder = bt::get(case, "bt-get", &torrent, &folder)?.timeout(15);
    let mut bt = waiting(builder)?;
    bt.wait_said("disk_trouble", wait::TRANSFER)?;
    tracker.wait_leechers(&torrent, 1)?;
    end(&mut bt)?;
    tracker.wait_leechers(&torrent, 0)?;
    let error = bt.error()?;
    ensure!(error.contains("run the same command again"), "{error}");
    ensure!(
        bt.latest("disk_recovered").is_err(),
        "the disk is still full"
    );
    Ok(())
}

fn waiting(builder: bt::Builder<'_>) -> Outcome<Bt> {
    builder
        .with(|command| _ = command.args(["--on-disk-error", "wait"]))
        .start()
}

fn wait_seeding(bt: &mut Bt, payload: &Payload) -> Outcome {
    bt.wait_progress("is seeding", wait::TRANSFER, |progress| {
        progress.bytes_done == payload.length()
    })?;
    Ok(())
}

/// It says what is wrong, and with which file.
fn wait_trouble(bt: &mut Bt, kind: &str, path: &Path) -> Outcome {
    let trouble = bt.wait_said("disk_trouble", wait::TRANSFER)?;
    let path = path.to_string_lossy();
    ensure!(
        trouble["kind"] == kind && trouble["path"] == *path,
        "expected {kind} of {path}: {trouble}"
    );
    Ok(())
}

/// Waits for a line of progress that says so, and returns how much of it is done.
fn wait_disk_trouble(bt: &mut Bt) -> Outcome<u64> {
    let progress = bt.wait_progress("waits", wait::TRANSFER, |progress| progress.is_in_trouble)?;
    Ok(progress.bytes_done)
}

/// One when it began and one when it was over, both for people and for machines.
fn ensure_two_lines(bt: &Bt, says: &str) -> Outcome {
    let lines = bt.stderr();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("--tracker or --peer"))
        .collect();
    let [begins, ends] = &lines[..] else {
        return None.context(format_args!("expected two lines, not {lines:?}"));
    };
    ensure!(begins.contains(says), "{says:?} is not in {begins:?}");
    ensure!(ends.contains("the disk works again"), "{ends:?}");
    for kind in ["disk_trouble", "disk_recovered"] {
        let count = bt.count(kind);
        ensure!(count == 1, "{count} times {kind}");
    }
    Ok(())
}
