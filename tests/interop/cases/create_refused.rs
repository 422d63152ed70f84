//! `bt create` of what cannot be a torrent, or not now: one line that says why, and nothing written.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use rustix::process::{Signal, geteuid};

use super::{Entry, MIB};
use crate::{
    bt::{self, exit},
    harness::{Case, Context, Exit, Outcome, ensure, tempdir::Tmpfs, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "create/refused",
        run: refused,
    },
    Entry {
        name: "create/unreadable",
        run: unreadable,
    },
    Entry {
        name: "create/full-disk",
        run: full_disk,
    },
    Entry {
        name: "create/interrupted",
        run: interrupted,
    },
    Entry {
        name: "create/changed-meanwhile",
        run: changed_meanwhile,
    },
];

fn refused(case: &Case<'_>) -> Outcome {
    let folder = case.path();
    let file = |path: &str, length: usize| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("a folder")?).context("making a folder")?;
        fs::write(path, vec![7; length]).context("writing a file")
    };
    file("empty", 0)?;
    file("all-empty/a", 0)?;
    file("all-empty/b/c", 0)?;
    file("links/a", 10)?;
    symlink("a", folder.join("links/b")).context("making a link")?;
    symlink(".", folder.join("links/round")).context("making a link")?;
    file("latin/a", 10)?;
    file("good/a", 10)?;
    file("taken.torrent", 10)?;
    let latin = folder.join("latin").join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(latin, "x").context("writing a file")?;
    fs::create_dir_all(folder.join("no-files/at-all")).context("making folders")?;

    for (words, code, says) in [
        ("empty", 1, "empty is empty"),
        ("all-empty", 1, "all files in all-empty are empty"),
        ("no-files", 1, "has no files in it"),
        ("gone", 1, "cannot read gone: no such file"),
        ("links", 1, "is a symbolic link; --links follow"),
        (
            "links --links follow",
            1,
            "links/round is a link to a folder that it lies in",
        ),
        ("latin", 1, "is not UTF-8"),
        (
            "good -o taken.torrent",
            1,
            "taken.torrent exists already; --force",
        ),
        (
            "good -o gone/x.torrent",
            1,
            "cannot write gone/x.torrent: no such file",
        ),
        ("good -o good/a --force", 1, "good/a is of the content"),
        ("good/a -o good/a --force", 1, "good/a is of the content"),
        ("good -o - --json", 2, "stdout"),
    ] {
        let mut command = Command::new(case.bt()?);
        command
            .arg("create")
            .args(words.split(' '))
            .current_dir(folder);
        let mut bt = case.spawn("bt-create", command)?;
        let exit = bt.wait_exit(wait::SOON)?;
        ensure!(exit == Exit::Code(code), "{words}: {exit}");
        let said = bt.log().stderr();
        let complaints = said.iter().filter(|line| line.starts_with("bt: "));
        let complaints: Vec<_> = complaints.collect();
        ensure!(
            complaints.len() == 1 && complaints[0].contains(says),
            "{words}: said {said:?}"
        );
    }
    let torrents = torrents_in(folder)?;
    ensure!(torrents == ["taken.torrent"], "there are {torrents:?}");
    Ok(())
}

/// A file of somebody else's is found out before the large one is hashed.
fn unreadable(case: &Case<'_>) -> Outcome {
    let content = case.folder("content")?;
    fs::set_permissions(case.path(), fs::Permissions::from_mode(0o777)).context("opening up")?;
    let huge = File::create(content.join("a-huge")).context("making a file")?;
    huge.set_len(1 << 43).context("making a file of zeros")?;
    let secret = content.join("secret");
    fs::write(&secret, "x").context("writing a file")?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).context("closing a file")?;
    // The binary may lie where nobody cannot go.
    let binary = case.path().join("bt");
    fs::copy(case.bt()?, &binary).context("copying bt")?;
    let mut command = Command::new(&binary);
    command.arg("create").arg(&content).current_dir(case.path());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut bt = case.spawn("bt-create", command)?;
    let exit = bt.wait_exit(wait::SOON)?;
    ensure!(exit == Exit::Code(exit::DISK), "bt ended with {exit}");
    let said = bt.log().stderr();
    ensure!(
        matches!(&said[..], [line] if line.contains("content/secret: permission denied")),
        "said {said:?}"
    );
    ensure_none(case.path())
}

fn full_disk(case: &Case<'_>) -> Outcome {
    let folder = case.folder("out")?;
    let _disk = Tmpfs::mount(&folder, MIB)?;
    let mut filler = File::create(folder.join("filler")).context("making a file")?;
    while filler.write_all(&[0; 4096]).is_ok() {}
    let content = case.path().join("content");
    fs::write(&content, vec![1; 100_000]).context("writing a file")?;
    let words = [
        "create".as_ref(),
        content.as_os_str(),
        "-o".as_ref(),
        folder.as_os_str(),
    ];
    let finished = bt::run(case, words, wait::SOON)?.ensure_exit(exit::DISK)?;
    let line = finished.one_line()?;
    ensure!(
        line.contains("content.torrent: no space left"),
        "said {line}"
    );
    let left: Vec<_> = fs::read_dir(&folder).context("listing")?.collect();
    ensure!(left.len() == 1, "it left something behind: {left:?}");
    Ok(())
}

/// More zeros than can be hashed in a moment.
fn interrupted(case: &Case<'_>) -> Outcome {
    let content = case.path().join("zeros");
    let file = File::create(&content).context("making a file")?;
    file.set_len(1 << 40).context("making a file of zeros")?;
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = Command::new(case.bt()?);
        command.arg("create").arg(&content).arg("--json");
        command.current_dir(case.path());
        let mut bt = case.spawn("bt-create", command)?;
        bt.wait_event("hashes", wait::SOON, |event| {
            (event["event"] == "hashing" && event["bytes_done"].as_u64() > Some(0)).then_some(())
        })?;
        bt.signal(signal)?;
        let exit = bt.wait_exit(wait::SOON)?;
        ensure!(exit == Exit::Code(exit::STOPPED), "bt ended with {exit}");
        let said = bt.log().stderr();
        ensure!(said.len() == 1, "expected one line, not {said:?}");
        ensure!(
            bt.latest_event("error")
                .is_some_and(|error| error["code"] == exit::STOPPED),
            "no `error`"
        );
        ensure_none(case.path())?;
    }
    Ok(())
}

/// A file grows, as one does that is still being downloaded: noticed long before its end.
fn changed_meanwhile(case: &Case<'_>) -> Outcome {
    let content = case.path().join("zeros");
    let file = File::create(&content).context("making a file")?;
    file.set_len(1 << 40).context("making a file of zeros")?;
    let mut command = Command::new(case.bt()?);
    command.arg("create").arg(&content).arg("--json");
    command.current_dir(case.path());
    let mut bt = case.spawn("bt-create", command)?;
    bt.wait_event("hashes", wait::SOON, |event| {
        (event["event"] == "hashing").then_some(())
    })?;
    file.set_len((1 << 40) + 1).context("changing the file")?;
    let exit = bt.wait_exit(wait::SOON)?;
    ensure!(exit == Exit::Code(1), "bt ended with {exit}");
    let said = bt.log().stderr();
    ensure!(
        matches!(&said[..], [line] if line.contains("zeros was changed while it was hashed")),
        "said {said:?}"
    );
    ensure_none(case.path())
}

fn ensure_none(folder: &Path) -> Outcome {
    let torrents = torrents_in(folder)?;
    ensure!(torrents.is_empty(), "it left {torrents:?} behind");
    Ok(())
}

/// The names of torrents and of what is to become one.
fn torrents_in(folder: &Path) -> Outcome<Vec<String>> {
    let names = fs::read_dir(folder).context("listing")?;
    let names = names.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<Result<_, _>>().context("listing")?;
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names
        .filter(|name| name.ends_with(".torrent") || name.starts_with(".bt-create"))
        .collect())
}

const NOBODY: u32 = 65_534;
