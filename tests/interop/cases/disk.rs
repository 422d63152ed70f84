//! Disks that refuse.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use rustix::process::geteuid;

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::libtorrent::{Format, Libtorrent},
    harness::{Case, Context, Outcome, Payload, ensure, tempdir::Tmpfs, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "disk/full",
        run: full,
    },
    Entry {
        name: "disk/permission-denied",
        run: permission_denied,
    },
];

/// The disk is full in the middle: exit 5 with the file's name, what was verified stays, and with
/// more room the next run fetches the rest.
fn full(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let disk = Tmpfs::mount(&folder, 4 * MIB)?;

    let mut first = bt::get(case, "bt-first", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    first.wait_exit(exit::DISK, wait::TRANSFER)?;
    let error = first.error()?;
    ensure!(
        error.contains(&payload.name),
        "the error does not name the file: {error}"
    );
    let kept = payload.bytes_in_good_pieces(&folder, PIECE_LENGTH)?;
    let claimed = first.progress().map_or(0, |progress| progress.bytes_done);
    ensure!(kept > 0, "nothing was written before the disk was full");
    ensure!(
        kept >= claimed,
        "{claimed} bytes were reported as done, {kept} are right on disk"
    );
    let uploaded_before = seeder.uploaded_when_alone()?;

    disk.resize(16 * MIB)?;
    let mut second = bt::get(case, "bt-second", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    second.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let fetched = seeder.uploaded_when_alone()? - uploaded_before;
    let missing = payload.length() - kept;
    ensure!(
        fetched <= missing + 4 * PIECE_LENGTH,
        "{fetched} bytes fetched where {missing} were missing"
    );
    Ok(())
}

/// Somebody else's folder. Root may write everywhere, so root becomes nobody.
fn permission_denied(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).context("closing a folder")?;
    // The binary may lie where nobody cannot go.
    let binary = case.path().join("bt");
    fs::copy(case.bt()?, &binary).context("copying bt")?;

    let as_nobody = |command: &mut Command| {
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        *command = Command::new(&binary);
        command.args(words);
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
    };
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(as_nobody)
        .start()?;
    bt.wait_exit(exit::DISK, wait::TRANSFER)?;
    let error = bt.error()?;
    ensure!(
        error.contains(&payload.name),
        "the error does not name the file: {error}"
    );
    Ok(())
}

const NOBODY: u32 = 65_534;
