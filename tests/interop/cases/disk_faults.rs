//! Disks that fail in the middle: one clear line and exit code 5, what was verified stays, and
//! the same command goes on where it was once the disk has recovered.

use rustix::io::Errno;

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    fault_fs::{Call, Fault, FaultFs},
    foreign::{
        Torrent,
        libtorrent::{self, Format, Libtorrent},
    },
    harness::{Case, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "disk/faults/write-full",
        run: |case| write_fails(case, Errno::NOSPC, "no space left on device; make room"),
    },
    Entry {
        name: "disk/faults/write-error",
        run: |case| write_fails(case, Errno::IO, "input/output error"),
    },
    Entry {
        name: "disk/faults/write-read-only",
        run: |case| write_fails(case, Errno::ROFS, "read-only file system; choose a folder"),
    },
    Entry {
        name: "disk/faults/no-more-files",
        run: no_more_files,
    },
    Entry {
        name: "disk/faults/read-back-error",
        run: read_back_error,
    },
    Entry {
        name: "disk/faults/check-error",
        run: check_error,
    },
    Entry {
        name: "disk/faults/short-writes",
        run: short_writes,
    },
    Entry {
        name: "disk/faults/short-reads",
        run: short_reads,
    },
    Entry {
        name: "disk/faults/seed-read-error",
        run: seed_read_error,
    },
    Entry {
        name: "disk/faults/verify-read-error",
        run: verify_read_error,
    },
];

/// From the fortieth piece on nothing can be written.
fn write_fails(case: &Case<'_>, errno: Errno, says: &str) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    disk.strike(Call::Write, Fault::Error(errno), 40)?;
    let expected = format!("cannot write {}", disk.path().join(&payload.name).display());
    get_fails(case, &torrent, &seeder, &disk, &[&expected, says])?;
    ensure!(disk.struck(Call::Write) == 1, "the fault has not struck");
    let kept = payload.bytes_in_good_pieces(disk.backing(), PIECE_LENGTH)?;
    ensure!(
        kept == 40 * PIECE_LENGTH,
        "{kept} bytes are right after 40 pieces were written"
    );
    disk.lift()?;
    get_goes_on(case, &torrent, &seeder, &disk, payload.length() - kept)?;
    payload.compare(disk.backing())
}

/// There is room for two files of many.
fn no_more_files(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(2 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    // What is looked for in vain does not count.
    disk.strike(Call::Open, Fault::Error(Errno::NOSPC), 2)?;
    let says = ["cannot ", "no space left on device; make room"];
    get_fails(case, &torrent, &seeder, &disk, &says)?;
    ensure!(disk.struck(Call::Open) == 1, "the fault has not struck");
    disk.lift()?;
    get_goes_on(case, &torrent, &seeder, &disk, payload.length())?;
    payload.compare(disk.backing())
}

/// Pieces that do not fit into memory are written as they come and read back to be verified: that
/// fails on the way.
fn read_back_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(16 * MIB);
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let content = folder.join(&payload.name);
    let torrent = libtorrent::create(case, "large", &content, Format::V1, 4 * MIB, &[])?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &folder)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 4)?;
    let expected = format!("cannot read {}", disk.path().join(&payload.name).display());
    let says = [&*expected, "input/output error"];
    let mut first = bt::get(case, "bt-first", &torrent, disk.path())?
        .peer(seeder.address())
        .with(|command| _ = command.args(["--memory", "4M"]))
        .start()?;
    first.wait_exit(exit::DISK, wait::TRANSFER)?;
    first.ensure_one_line(&says)?;
    ensure!(disk.struck(Call::Read) == 1, "the fault has not struck");
    let claimed = first.progress().map_or(0, |progress| progress.bytes_done);
    let kept = payload.bytes_in_good_pieces(disk.backing(), 4 * MIB)?;
    ensure!(
        kept >= claimed,
        "{claimed} bytes were reported as done, {kept} are right on disk"
    );
    disk.lift()?;
    get_goes_on(case, &torrent, &seeder, &disk, payload.length() - kept)?;
    payload.compare(disk.backing())
}

/// What was fetched before cannot be read when the next run looks at it: it is not fetched again
/// over what the disk may still give back.
fn check_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    payload.write_to(disk.backing())?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 3)?;
    let expected = format!("cannot read {}", disk.path().join(&payload.name).display());
    let says = [&*expected, "input/output error"];
    get_fails(case, &torrent, &seeder, &disk, &says)?;
    disk.lift()?;
    get_goes_on(case, &torrent, &seeder, &disk, 0)?;
    payload.compare(disk.backing())
}

/// No call writes more than 5,000 bytes: the rest is written by the next.
fn short_writes(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut disk = FaultFs::mount(case)?;
    disk.strike(Call::Write, Fault::Short(5000), 0)?;
    get_goes_on(case, &torrent, &seeder, &disk, payload.length())?;
    ensure!(disk.struck(Call::Write) == 1, "no write was cut");
    payload.compare(disk.backing())
}

/// Nor does a call read more: checked, and served, all the same.
fn short_reads(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut disk = FaultFs::mount(case)?;
    payload.write_to(disk.backing())?;
    disk.strike(Call::Read, Fault::Short(5000), 0)?;
    let content = bt::content(disk.path(), &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;
    let address = bt.wait_listening()?;
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(address)
        .leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    ensure!(disk.struck(Call::Read) == 1, "no read was cut");
    bt.ensure_running()?;
    payload.compare(&folder)
}

/// The disk fails while a peer is being served.
fn seed_read_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut disk = FaultFs::mount(case)?;
    payload.write_to(disk.backing())?;
    let content = bt::content(disk.path(), &payload.name);
    let mut first = bt::seed(case, "bt-first", &torrent, &content)?.start()?;
    first.wait_progress("is seeding", wait::TRANSFER, |progress| {
        progress.bytes_done == payload.length()
    })?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 20)?;
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(first.wait_listening()?)
        .leech()?;
    first.wait_exit(exit::DISK, wait::TRANSFER)?;
    let expected = format!("cannot read {}", content.display());
    first.ensure_one_line(&[&expected, "input/output error"])?;

    disk.lift()?;
    let mut second = bt::seed(case, "bt-second", &torrent, &content)?.start()?;
    leecher.connect(second.wait_listening()?)?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    second.ensure_running()?;
    payload.compare(&folder)
}

fn verify_read_error(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut disk = FaultFs::mount(case)?;
    payload.write_to(disk.backing())?;
    disk.strike(Call::Read, Fault::Error(Errno::IO), 3)?;
    let content = bt::content(disk.path(), &payload.name);
    let words = [
        "verify".as_ref(),
        torrent.path.as_os_str(),
        content.as_os_str(),
    ];
    let failed = bt::run(case, words, wait::TRANSFER)?.ensure_exit(exit::DISK)?;
    let line = failed.one_line()?;
    ensure!(
        line.contains(&format!("cannot read {}", content.display())),
        "the error does not name the file: {line}"
    );
    disk.lift()?;
    bt::run(case, words, wait::TRANSFER)?.ensure_exit(exit::DONE)?;
    Ok(())
}

fn get_fails(
    case: &Case<'_>,
    torrent: &Torrent,
    seeder: &Libtorrent,
    disk: &FaultFs,
    says: &[&str],
) -> Outcome {
    let mut bt = bt::get(case, "bt-first", torrent, disk.path())?
        .peer(seeder.address())
        .start()?;
    bt.wait_exit(exit::DISK, wait::TRANSFER)?;
    bt.ensure_one_line(says)
}

/// The next run is complete with no more than what was missing.
fn get_goes_on(
    case: &Case<'_>,
    torrent: &Torrent,
    seeder: &Libtorrent,
    disk: &FaultFs,
    missing: u64,
) -> Outcome {
    let mut bt = bt::get(case, "bt-second", torrent, disk.path())?
        .peer(seeder.address())
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    let downloaded = bt.progress().map_or(0, |progress| progress.downloaded);
    ensure!(
        downloaded <= missing,
        "{downloaded} bytes were fetched where {missing} were missing"
    );
    Ok(())
}
