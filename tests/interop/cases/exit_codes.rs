//! What scripts rely on when a command does not succeed.

use std::fs;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::libtorrent::Format,
    harness::{Case, Context, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "exit-codes/bad-torrent",
        run: bad_torrent,
    },
    Entry {
        name: "exit-codes/unreadable-torrent",
        run: unreadable_torrent,
    },
    Entry {
        name: "exit-codes/v2-only",
        run: v2_only,
    },
    Entry {
        name: "exit-codes/usage",
        run: usage,
    },
    Entry {
        name: "exit-codes/timeout",
        run: timeout,
    },
];

/// Each gets one line that names the file, and exit 4.
fn bad_torrent(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)?;
    let good = fs::read(&torrent.path).context("reading the torrent")?;
    let bad: [(&str, &[u8]); 5] = [
        ("empty", b""),
        ("text", b"<!DOCTYPE html>\n<title>not found</title>\n"),
        ("truncated", &good[..good.len() / 2]),
        ("no-info", b"d8:announce22:udp://127.0.0.1:1/annoe"),
        ("deep", &[b'l'; 100_000]),
    ];
    let folder = case.folder("got")?;
    for (name, bytes) in bad {
        let path = case.path().join(format!("{name}.torrent"));
        fs::write(&path, bytes).context("writing a bad torrent")?;
        for words in [
            vec![
                "get".as_ref(),
                path.as_os_str(),
                "-o".as_ref(),
                folder.as_os_str(),
            ],
            vec!["show".as_ref(), path.as_os_str()],
        ] {
            let command = words[0].display();
            let finished = bt::run(case, &words, wait::SOON)
                .and_then(|finished| finished.ensure_exit(exit::BAD_TORRENT))
                .context(format_args!("bt {command} of {name}"))?;
            let line = finished
                .one_line()
                .context(format_args!("bt {command} of {name}"))?;
            ensure!(line.contains(name), "the file is not named: {line}");
        }
    }
    let left_behind = fs::read_dir(&folder).context("listing")?.count();
    ensure!(
        left_behind == 0,
        "{left_behind} things were made for torrents that are none"
    );
    Ok(())
}

/// Nobody knows whether they are bad.
fn unreadable_torrent(case: &Case<'_>) -> Outcome {
    let folder = case.folder("a-folder")?;
    for path in [case.path().join("missing.torrent"), folder] {
        for verb in ["show", "get"] {
            let finished = bt::run(case, [verb.as_ref(), path.as_os_str()], wait::SOON)?;
            let finished = finished.ensure_exit(exit::OTHER)?;
            let line = finished.one_line()?;
            ensure!(line.contains("cannot read"), "bt {verb} says {line}");
        }
    }
    Ok(())
}

fn v2_only(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::multi(MIB), Format::V2, None)?;
    let folder = case.folder("got")?;
    let words = [
        "get".as_ref(),
        torrent.path.as_os_str(),
        "-o".as_ref(),
        folder.as_os_str(),
    ];
    let finished = bt::run(case, words, wait::SOON)?.ensure_exit(exit::BAD_TORRENT)?;
    finished.one_line()?;
    Ok(())
}

fn usage(case: &Case<'_>) -> Outcome {
    for words in [
        &["get"][..],
        &["get", "--no-such-option"],
        &["get", "x", "--tracker", "wss://127.0.0.1:1/announce"],
        &["get", "x", "--peer", "localhost"],
        &["get", "x", "--memory", "1K"],
        &["get", "x", "--timeout", "0"],
        &["seed", "x", "y", "--min-announce-interval", "0"],
        &["no-such-verb"],
    ] {
        bt::run(case, words, wait::SOON)
            .and_then(|finished| finished.ensure_exit(exit::USAGE))
            .context(format_args!("bt {}", words.join(" ")))?;
    }
    Ok(())
}

/// Nobody has it, and nobody can be asked, which is said.
fn timeout(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .timeout(2)
        .start()?;
    bt.wait_exit(exit::STOPPED, wait::SOON)?;
    let warnings = bt.stderr();
    ensure!(
        warnings
            .iter()
            .any(|line| line.contains("--tracker or --peer")),
        "no warning: {warnings:?}"
    );
    Ok(())
}
