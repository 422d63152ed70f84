//! The program as a shell sees it: streams, exit codes, odd paths.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use bt_metainfo::{InfoBuilder, MetainfoBuilder};
use tempfile::TempDir;

fn bt(words: &[&str]) -> Command {
    let mut bt = Command::new(env!("CARGO_BIN_EXE_bt"));
    bt.args(words).env_remove("BT_LOG").stdin(Stdio::null());
    // Nothing is left in the home of who runs the tests.
    for home in ["HOME", "XDG_STATE_HOME", "LOCALAPPDATA"] {
        bt.env_remove(home);
    }
    bt
}

fn torrent(name: &str) -> Vec<u8> {
    let info = InfoBuilder::new(name, 16_384).single_file(1);
    MetainfoBuilder::new(info.pieces([[0; 20]]).encode()).encode()
}

/// With torrents `a` and `b`, and `bad`, which is none.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("room for a folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("room for a file");
    };
    write("a.torrent", &torrent("a"));
    write("b.torrent", &torrent("b"));
    write("bad.torrent", b"<!DOCTYPE html>");
    folder
}

fn run(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = bt(words).current_dir(folder).output().expect("bt is built");
    let text = |bytes| String::from_utf8(bytes).expect("bt writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn each_source_has_a_heading_if_there_are_several() {
    let folder = folder();
    let (code, alone, said) = run(folder.path(), &["show", "a.torrent"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(alone.starts_with("name          a\n"), "{alone}");
    let (code, both, said) = run(folder.path(), &["show", "a.torrent", "b.torrent"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let first = format!("==> a.torrent <==\n{alone}\n==> b.torrent <==\nname          b\n");
    assert!(both.starts_with(&first), "{both}");
}

#[test]
fn a_source_that_fails_leaves_the_others_alone() {
    let folder = folder();
    let sources = ["bad.torrent", "a.torrent", "missing.torrent", "b.torrent"];
    let words = [&["show"][..], &sources].concat();
    let (code, shown, said) = run(folder.path(), &words);
    assert_eq!(code, Some(4), "of the first that failed");
    assert!(shown.contains("==> a.torrent <==") && shown.contains("==> b.torrent <=="));
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("bt: bad.torrent ") && said[1].contains("missing.torrent"));

    let (code, shown, _) = run(folder.path(), &[&words[..], &["--json"]].concat());
    assert_eq!(code, Some(4));
    let objects = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let objects: Vec<serde_json::Value> = objects.collect();
    let of = |key: &str| objects.iter().map(|it| it[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("torrent"), sources);
    let (null, a, b) = (serde_json::Value::Null, "a".into(), "b".into());
    assert_eq!(of("name"), [null.clone(), a, null.clone(), b]);
    assert_eq!(of("code"), [4.into(), null.clone(), 1.into(), null]);
}

#[test]
fn a_dash_is_stdin() {
    let mut show = bt(&["show", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = show.stdin.take().unwrap();
    stdin.write_all(&torrent("piped")).unwrap();
    drop(stdin);
    let shown = show.wait_with_output().unwrap();
    assert!(shown.status.success());
    assert!(String::from_utf8_lossy(&shown.stdout).contains(r#""name":"piped""#));
}

/// As `head` does.
#[test]
fn a_reader_who_leaves_is_no_failure() {
    let folder = folder();
    for words in [
        &["--help"][..],
        &["get", "--help"],
        &["--version"],
        &["show", "a.torrent", "b.torrent"],
        &["show", "a.torrent", "--json"],
        &["completions", "zsh"],
        &["man"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let left = bt(words).current_dir(folder.path()).stdout(writer).output();
        let left = left.unwrap();
        assert!(left.status.success(), "{words:?}: {}", left.status);
        let said = String::from_utf8_lossy(&left.stderr);
        assert_eq!(said, "", "{words:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_a_failure() {
    let folder = folder();
    for words in [
        &["show", "a.torrent"][..],
        &["man"],
        &["completions", "fish"],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let failed = bt(words).current_dir(folder.path()).stdout(full).output();
        let failed = failed.unwrap();
        assert_eq!(failed.status.code(), Some(5), "{words:?}");
        let said = String::from_utf8_lossy(&failed.stderr);
        assert_eq!(
            said,
            "bt: cannot write to stdout: no space left on device\n"
        );
    }
}

/// More than a pipe holds.
#[cfg(unix)]
#[test]
fn a_torrent_that_nobody_takes_can_be_given_up() {
    use std::io::Read;

    let folder = folder();
    let zeros = fs::File::create(folder.path().join("zeros")).unwrap();
    zeros.set_len(128 << 20).unwrap();
    let words = ["create", "zeros", "-l", "16K", "-o", "-"];
    let mut bt = bt(&words)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It is writing now.
    let mut stdout = bt.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let kill = Command::new("kill").arg(bt.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(bt.wait().unwrap().code(), Some(3));
    let mut said = String::new();
    let mut stderr = bt.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    let expected = "bt: interrupted before the torrent was written; no torrent was made\n";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn stdout_takes_the_torrent_or_lines_about_it() {
    let folder = folder();
    for output in ["-", "/dev/stdout"] {
        if output != "-" && cfg!(not(unix)) {
            continue;
        }
        let words = ["create", "a.torrent", "--json", "-o", output];
        let (code, _, said) = run(folder.path(), &words);
        assert_eq!(code, Some(2), "{output}");
        assert!(said.contains("cannot take both"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_may_be_any_bytes() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let folder = folder();
    let name = OsStr::from_bytes(b"caf\xe9.torrent");
    if fs::write(folder.path().join(name), torrent("x")).is_err() {
        return; // some file systems take no such name
    }
    let here = |words: &[&str]| {
        let mut bt = bt(words);
        bt.current_dir(folder.path());
        bt
    };
    let shown = here(&["show"]).arg(name).output().unwrap();
    assert!(shown.status.success());
    let verified = here(&["verify"]).arg(name).arg(".").output().unwrap();
    assert_eq!(verified.status.code(), Some(6), "its data is not there");
    let missing = OsStr::from_bytes(b"\xff\n");
    let missing = here(&["show"]).arg(missing).output().unwrap();
    let said = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said:?}");
}

#[test]
fn wrong_usage_is_code_2_and_says_what_to_do() {
    let folder = folder();
    for words in [
        &[][..],
        &["get"],
        &["no-such-verb"],
        &["show"],
        &["completions", "cmd"],
    ] {
        let (code, shown, said) = run(folder.path(), words);
        assert_eq!((code, shown.as_str()), (Some(2), ""), "{words:?}");
        assert!(said.contains("--help"), "{words:?}: {said}");
    }
}

#[test]
fn a_log_variable_that_makes_no_sense_is_said_and_no_failure() {
    let folder = folder();
    let mut show = bt(&["show", "a.torrent"]);
    let shown = show
        .current_dir(folder.path())
        .env("BT_LOG", "bt_client=loud")
        .output();
    let shown = shown.unwrap();
    assert!(shown.status.success());
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(
        said.starts_with("warning: BT_LOG") && said.lines().count() == 1,
        "{said}"
    );
    let quiet = show.arg("-q").output().unwrap();
    assert!(quiet.status.success());
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
}

/// The events on stdout, and what kind each is.
fn events(shown: &str) -> (Vec<serde_json::Value>, Vec<String>) {
    let events = shown
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is an event"));
    let events: Vec<serde_json::Value> = events.collect();
    let kinds = events.iter().map(|event| event["event"].as_str());
    let kinds = kinds.map(|kind| kind.expect("each says which it is").to_owned());
    let kinds = kinds.collect();
    (events, kinds)
}

#[test]
fn torrents_that_cannot_be_begun_are_counted() {
    let folder = folder();
    let get = [
        "get",
        "missing.torrent",
        "bad.torrent",
        "--port",
        "0",
        "--no-dht",
        "--no-lsd",
    ];
    let (code, shown, said) = run(folder.path(), &get);
    assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("missing.torrent") && said[1].contains("bad.torrent"));
    assert_eq!(said[2], "bt: 2 of 2 torrents failed");

    let (code, shown, _) = run(folder.path(), &[&get[..], &["--json"]].concat());
    assert_eq!(code, Some(1));
    let (events, kinds) = events(&shown);
    assert_eq!(kinds, ["listening", "failed", "failed", "total", "error"]);
    let total = &events[3];
    assert_eq!(
        (&total["torrents"], &total["failed"]),
        (&2.into(), &2.into())
    );
}

#[test]
fn the_same_torrent_twice_is_one() {
    let folder = folder();
    fs::write(folder.path().join("a"), [0]).unwrap();
    let words = [
        "get",
        "a.torrent",
        "a.torrent",
        "--port",
        "0",
        "--timeout",
        "1",
        "--no-dht",
        "--no-lsd",
    ];
    let (code, shown, said) = run(folder.path(), &words);
    assert_eq!((code, shown.as_str()), (Some(3), ""), "{said}");
    assert!(
        said.contains("a.torrent is the same torrent as one before it\n"),
        "{said}"
    );
    assert!(said.contains("timed out with 0 B of 1 B done"), "{said}");
}

#[test]
fn a_bad_torrent_leaves_the_others_going() {
    let folder = folder();
    let words = "get bad.torrent a.torrent --port 0 --timeout 1 --json";
    let words: Vec<_> = words.split(' ').collect();
    let (code, shown, _) = run(folder.path(), &words);
    assert_eq!(code, Some(3));
    let (events, kinds) = events(&shown);
    assert_eq!(kinds[..2], ["listening", "failed"]);
    assert_eq!(events[1]["source"], "bad.torrent");
    assert_eq!(kinds.last().unwrap(), "error");
    let total = kinds
        .iter()
        .position(|kind| kind == "total")
        .expect("of two");
    let (torrents, failed) = (&events[total]["torrents"], &events[total]["failed"]);
    assert_eq!((torrents, failed), (&2.into(), &1.into()));
}

#[cfg(target_os = "linux")]
#[test]
fn events_that_are_lost_are_a_failure() {
    let folder = folder();
    fs::write(folder.path().join("here"), "already").unwrap();
    let (code, _, said) = run(folder.path(), &["create", "here"]);
    assert_eq!(code, Some(0), "{said}");
    for (words, code) in [
        ("get here.torrent --port 0 --json", 5),
        ("get bad.torrent bad.torrent --port 0 --json", 4),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let words: Vec<_> = words.split(' ').collect();
        let mut get = bt(&words);
        get.current_dir(folder.path()).stdout(full.unwrap());
        let failed = get.output().unwrap();
        assert_eq!(failed.status.code(), Some(code), "{words:?}");
        let said = String::from_utf8_lossy(&failed.stderr);
        let complaint = "bt: cannot write to stdout: no space left on device\n";
        assert_eq!(said.matches(complaint).count(), 1, "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_does_not_read_cannot_keep_bt_from_ending() {
    let folder = folder();
    fs::write(folder.path().join("a"), [0]).unwrap();
    for words in [
        "get a.torrent --port 0 --json",
        "seed a.torrent . --port 0 --json",
        "verify a.torrent . --json",
    ] {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[b' '; PIPE_CAPACITY]).unwrap();
        let words: Vec<_> = words.split(' ').collect();
        let mut bt = bt(&words);
        bt.current_dir(folder.path()).stdout(writer);
        let mut bt = bt.stderr(Stdio::null()).spawn().unwrap();
        let status = Path::new("/proc").join(bt.id().to_string()).join("status");
        let waits_for_signals = || {
            let status = fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|it| it.strip_prefix("SigCgt:"));
            let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
            caught & (1 << (15 - 1)) != 0
        };
        let ended = until_deadline(|| {
            if waits_for_signals() {
                let id = bt.id().to_string();
                Command::new("kill").args(["-TERM", &id]).status().unwrap();
            }
            bt.try_wait().unwrap()
        });
        if ended.is_none() {
            bt.kill().unwrap();
        }
        let code = ended.and_then(|status| status.code());
        assert_eq!(code, Some(3), "{words:?}");
    }
}

/// Asks now and then for half a minute.
#[cfg(target_os = "linux")]
fn until_deadline<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    (0..300).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        ask()
    })
}

/// pipe(7)
#[cfg(target_os = "linux")]
const PIPE_CAPACITY: usize = 65_536;

/// Nobody listens at the discard port.
#[test]
fn who_is_alone_is_told_why() {
    let folder = folder();
    let words = |more: &[&'static str]| {
        let words = ["get", "a.torrent", "--peers", "--why", "--port", "0"];
        let who = [
            "--peer",
            "127.0.0.1:9",
            "--timeout",
            "3",
            "--no-dht",
            "--no-lsd",
        ];
        [&words[..], &who, more].concat()
    };
    let (code, shown, said) = run(folder.path(), &words(&["--json"]));
    assert_eq!(code, Some(3), "{said}");
    let events: Vec<serde_json::Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| {
        events
            .iter()
            .filter(|it| it["event"] == kind)
            .collect::<Vec<_>>()
    };
    assert!(
        of("peers")
            .iter()
            .all(|it| it["peers"] == serde_json::json!([]))
    );
    assert!(of("peers").len() >= 2, "{shown}");
    let why = of("why");
    let last = why.last().expect("it is told");
    assert_eq!(last["limit"], "no_peers", "{shown}");
    assert_eq!(last["figures"]["peers_known"], 1, "{shown}");
    assert_eq!(last["info_hash"], of("progress")[0]["info_hash"]);

    let (code, shown, said) = run(folder.path(), &words(&[]));
    assert_eq!((code, shown.as_str()), (Some(3), ""));
    let has = |start: &str| said.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        has("why: no peers: none of 1 known is connected"),
        1,
        "{said}"
    );
    assert_eq!(has("no peer is connected"), 1, "{said}");

    let (_, shown, said) = run(folder.path(), &words(&["-q"]));
    assert_eq!((shown.as_str(), said.lines().count()), ("", 1), "{said}");
}
