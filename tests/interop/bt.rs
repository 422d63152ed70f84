//! The binary under test, as its documented command line shows it.

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    foreign::Torrent,
    harness::{Case, Context, Exit, Outcome, Process, ensure, wait},
};

/// The exit codes that users script against.
pub(crate) mod exit {
    pub(crate) const DONE: i32 = 0;
    pub(crate) const OTHER: i32 = 1;
    pub(crate) const USAGE: i32 = 2;
    pub(crate) const STOPPED: i32 = 3;
    pub(crate) const BAD_TORRENT: i32 = 4;
    pub(crate) const DISK: i32 = 5;
    pub(crate) const VERIFICATION: i32 = 6;
}

/// Keeps it from looking for strangers on the internet and on the machine's network.
pub(crate) const AT_HOME: [&str; 2] = ["--no-dht", "--no-lsd"];

/// Whether a verb may look for peers, unless it is told to stay [at home](AT_HOME).
pub(crate) fn transfers(verb: &OsStr) -> bool {
    ["get", "seed", "show"].iter().any(|it| verb == *it)
}

/// A `bt get` or `bt seed` to be started, with `--json` and a port of its own.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    case: &'a Case<'a>,
    name: String,
    command: Command,
    dht_nodes: Vec<SocketAddrV4>,
    uses_dht: bool,
    uses_lsd: bool,
}

/// A running `bt get` or `bt seed`.
#[derive(Debug)]
pub(crate) struct Bt {
    process: Process,
}

/// One `progress` line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) bytes_done: u64,
    pub(crate) bytes_total: u64,
    pub(crate) peers_connected: u64,
    /// Payload received, whatever became of it.
    pub(crate) downloaded: u64,
    /// Payload sent.
    pub(crate) uploaded: u64,
    /// It waits for its disk.
    pub(crate) is_in_trouble: bool,
}

/// What a run found when it began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Start {
    /// Bytes that were believed to be there without being read.
    pub(crate) resumed: u64,
    /// Bytes that were read and hashed.
    pub(crate) hashed: u64,
}

/// What a command that ends by itself left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) exit: Exit,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

/// `bt get TORRENT -o FOLDER`; of a link likewise.
pub(crate) fn get<'a>(
    case: &'a Case<'a>,
    name: &str,
    torrent: &Torrent,
    folder: &Path,
) -> Outcome<Builder<'a>> {
    let mut command = Command::new(case.bt()?);
    command.arg("get").arg(&torrent.path).arg("-o").arg(folder);
    Builder::new(case, name, command)
}

/// `bt seed TORRENT PATH`.
pub(crate) fn seed<'a>(
    case: &'a Case<'a>,
    name: &str,
    torrent: &Torrent,
    content: &Path,
) -> Outcome<Builder<'a>> {
    let mut command = Command::new(case.bt()?);
    command.arg("seed").arg(&torrent.path).arg(content);
    Builder::new(case, name, command)
}

/// `bt dht …` with `--json`, run to its end; it enters by `node`, and remembers nothing.
pub(crate) fn dht(case: &Case<'_>, words: &[&str], node: SocketAddrV4) -> Outcome<Finished> {
    let state = case.folder("state-of-verbs")?;
    let (node, state) = (node.to_string(), state.to_string_lossy().into_owned());
    let how = ["--json", "--dht-node", &node, "--state", &state];
    let words = ["dht"].iter().chain(words).chain(&how);
    run(case, words, wait::TRANSFER)
}

/// Any other command, run to its end.
pub(crate) fn run<W: AsRef<OsStr>>(
    case: &Case<'_>,
    words: impl IntoIterator<Item = W>,
    patience: Duration,
) -> Outcome<Finished> {
    run_with(case, words, patience, |_| {})
}

/// The same, with the command changed in ways that only few cases want.
pub(crate) fn run_with<W: AsRef<OsStr>>(
    case: &Case<'_>,
    words: impl IntoIterator<Item = W>,
    patience: Duration,
    change: impl FnOnce(&mut Command),
) -> Outcome<Finished> {
    let mut command = Command::new(case.bt()?);
    let words: Vec<_> = words.into_iter().collect();
    command.args(&words);
    if words.first().is_some_and(|verb| transfers(verb.as_ref())) {
        command.args(AT_HOME);
    }
    command.env("XDG_STATE_HOME", case.folder("state")?);
    change(&mut command);
    finish(case, command, patience)
}

/// A command of the case's own, run to its end.
pub(crate) fn finish(case: &Case<'_>, command: Command, patience: Duration) -> Outcome<Finished> {
    let mut process = case.spawn("bt", command)?;
    let exit = process.wait_exit(patience)?;
    let log = process.log();
    Ok(Finished {
        exit,
        stdout: log.stdout(),
        stderr: log.stderr(),
    })
}

impl<'a> Builder<'a> {
    fn new(case: &'a Case<'a>, name: &str, mut command: Command) -> Outcome<Self> {
        command.args(["--json", "--port", &case.wildcard_port()?.to_string()]);
        command.env("XDG_STATE_HOME", case.folder("state")?);
        Ok(Self {
            case,
            name: name.to_owned(),
            command,
            dht_nodes: Vec::new(),
            uses_dht: false,
            uses_lsd: false,
        })
    }

    pub(crate) fn peer(mut self, peer: SocketAddrV4) -> Self {
        self.command.args(["--peer", &peer.to_string()]);
        self
    }

    pub(crate) fn tracker(mut self, url: &str) -> Self {
        self.command.args(["--tracker", url]);
        self
    }

    /// Takes part in the DHT, by way of these nodes and no others; or of none but those that it
    /// remembers.
    pub(crate) fn dht_by(mut self, nodes: &[SocketAddrV4]) -> Self {
        self.uses_dht = true;
        self.dht_nodes = nodes.to_vec();
        self
    }

    /// Looks for peers on the local network: only where that is a namespace of the case's own.
    pub(crate) fn on_local_network(mut self) -> Self {
        self.uses_lsd = true;
        self
    }

    pub(crate) fn timeout(mut self, seconds: u32) -> Self {
        self.command.args(["--timeout", &seconds.to_string()]);
        self
    }

    /// Lets the trackers have their way with intervals that are too short for the world.
    pub(crate) fn announcing_eagerly(mut self) -> Self {
        self.command.args(["--min-announce-interval", "1"]);
        self
    }

    /// Changes the command in ways that only one case wants.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    pub(crate) fn start(mut self) -> Outcome<Bt> {
        let nobody = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        let nodes = match &self.dht_nodes[..] {
            // Else it would ask those of the internet.
            [] => &[nobody],
            nodes => nodes,
        };
        let [no_dht, no_lsd] = AT_HOME;
        if self.uses_dht {
            for node in nodes {
                self.command.args(["--dht-node", &node.to_string()]);
            }
        } else {
            self.command.arg(no_dht);
        }
        if !self.uses_lsd {
            self.command.arg(no_lsd);
        }
        Ok(Bt {
            process: self.case.spawn(&self.name, self.command)?,
        })
    }
}

impl Bt {
    /// Where others reach it, once it listens.
    pub(crate) fn wait_listening(&mut self) -> Outcome<SocketAddrV4> {
        let port = self
            .process
            .wait_event("listens", wait::TRANSFER, |event| {
                (event["event"] == "listening").then(|| event["port"].as_u64())
            })?;
        let port = port
            .and_then(|port| port.try_into().ok())
            .context("no port in `listening`")?;
        Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    }

    /// The first `progress` that satisfies `enough`.
    pub(crate) fn wait_progress(
        &mut self,
        what: &str,
        patience: Duration,
        enough: impl Fn(&Progress) -> bool,
    ) -> Outcome<Progress> {
        self.process
            .wait_event(what, patience, |event| Progress::of(event).filter(&enough))
    }

    /// The first `progress` with some and not all of the bytes: the middle of the download.
    pub(crate) fn wait_middle(&mut self, at_least: u64) -> Outcome<Progress> {
        let progress = self.wait_progress("is in the middle", wait::TRANSFER, |progress| {
            progress.bytes_done >= at_least
        })?;
        ensure!(
            progress.bytes_done < progress.bytes_total,
            "the middle was missed: {} of {} bytes",
            progress.bytes_done,
            progress.bytes_total
        );
        Ok(progress)
    }

    /// The newest progress; nothing before the first.
    pub(crate) fn progress(&self) -> Option<Progress> {
        Progress::of(&self.process.latest_event("progress")?)
    }

    /// Whether it has come to a peer that such a source had named.
    pub(crate) fn ensure_found_by(&self, source: &str) -> Outcome {
        let sources = &self.latest("progress")?["sources"];
        ensure!(
            sources[source]["connected"].as_u64() >= Some(1),
            "the peer came from {sources}"
        );
        Ok(())
    }

    /// What it found when it began.
    pub(crate) fn start(&mut self) -> Outcome<Start> {
        self.process
            .wait_event("has begun", wait::TRANSFER, Start::of)
    }

    /// The same, if it has come so far.
    pub(crate) fn told_start(&self) -> Option<Start> {
        let mut told = ["progress", "complete"].into_iter();
        told.find_map(|kind| Start::of(&self.process.latest_event(kind)?))
    }

    /// Waits for the end of a `get` and fails unless it says in every way that it is complete.
    pub(crate) fn wait_complete(&mut self, patience: Duration) -> Outcome {
        self.wait_exit(exit::DONE, patience)?;
        self.process
            .latest_event("complete")
            .context("exit code 0 without `complete`")?;
        ensure!(
            self.process.latest_event("error").is_none(),
            "exit code 0 after an `error`"
        );
        for line in self.process.log().stdout() {
            let event: Value =
                serde_json::from_str(&line).context(format_args!("stdout: {line}"))?;
            ensure!(
                event["event"].is_string(),
                "a line without its kind: {line}"
            );
        }
        Ok(())
    }

    /// As [`wait_complete`](Self::wait_complete), and returns the most memory that it was seen to
    /// have, in bytes.
    pub(crate) fn wait_complete_and_measure(&mut self, patience: Duration) -> Outcome<u64> {
        let mut peak = 0;
        wait::until("bt ends", patience, || {
            peak = peak.max(self.process.peak_memory().unwrap_or(0));
            self.process.poll_exit()
        })?;
        self.wait_complete(patience)?;
        ensure!(peak > 0, "the memory of bt was never seen");
        Ok(peak)
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> Outcome<u64> {
        let peak = self.process.peak_memory();
        peak.context("the memory of bt cannot be seen")
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.process.log().stderr()
    }

    /// How it ended, once it has.
    pub(crate) fn poll_exit(&mut self) -> Outcome<Option<Exit>> {
        self.process.poll_exit()
    }

    /// Waits for its end, whatever that is.
    pub(crate) fn wait_end(&mut self, patience: Duration) -> Outcome<Exit> {
        self.process.wait_exit(patience)
    }

    pub(crate) fn wait_exit(&mut self, code: i32, patience: Duration) -> Outcome {
        let exit = self.process.wait_exit(patience)?;
        ensure!(
            exit == Exit::Code(code),
            "bt ended with {exit}, expected exit code {code}"
        );
        Ok(())
    }

    /// Waits until it has said an event of a kind.
    pub(crate) fn wait_said(&mut self, kind: &str, patience: Duration) -> Outcome<Value> {
        let what = format!("says `{kind}`");
        self.process.wait_event(&what, patience, |event| {
            (event["event"] == kind).then(|| event.clone())
        })
    }

    /// How often it said that it has no metadata yet.
    pub(crate) fn count_without_metadata(&self) -> usize {
        self.process
            .count_events(|event| event["event"] == "progress" && event["state"] == "metadata")
    }

    /// How many events of a kind there were.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.process.count_events(|event| event["event"] == kind)
    }

    /// Waits for an event of which something is wanted, and returns that.
    pub(crate) fn wait_event<T>(
        &mut self,
        what: &str,
        patience: Duration,
        find: impl Fn(&Value) -> Option<T>,
    ) -> Outcome<T> {
        self.process.wait_event(what, patience, find)
    }

    /// The last event of a kind.
    pub(crate) fn latest(&self, kind: &str) -> Outcome<Value> {
        let event = self.process.latest_event(kind);
        event.context(format_args!("bt reported no `{kind}`"))
    }

    /// The last `error` as text, whatever its fields.
    pub(crate) fn error(&self) -> Outcome<String> {
        let error = self.process.latest_event("error");
        error
            .map(|error| error.to_string())
            .context("bt reported no `error`")
    }

    /// Fails unless it said one line on stderr, with all of this in it; beside what it warned of
    /// when it began.
    pub(crate) fn ensure_one_line(&self, says: &[&str]) -> Outcome {
        let mut lines = self.stderr();
        lines.retain(|line| !line.starts_with("warning: "));
        let [line] = &lines[..] else {
            return None.context(format_args!("expected one line on stderr, not {lines:?}"));
        };
        for part in says {
            ensure!(line.contains(part), "{part:?} is not in {line:?}");
        }
        Ok(())
    }

    /// Still there? A `seed` never ends by itself.
    pub(crate) fn ensure_running(&mut self) -> Outcome {
        self.process.ensure_running()
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) -> Outcome {
        self.process.signal(Signal::INT)
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}

impl Finished {
    /// Fails unless it ended with this code.
    pub(crate) fn ensure_exit(self, code: i32) -> Outcome<Self> {
        ensure!(
            self.exit == Exit::Code(code),
            "{}, expected exit code {code}",
            self.exit
        );
        Ok(self)
    }

    /// The one line that it said on stderr.
    pub(crate) fn one_line(&self) -> Outcome<&str> {
        match &self.stderr[..] {
            [line] if !line.trim().is_empty() => Ok(line),
            lines => None.context(format_args!("expected one line on stderr, not {lines:?}")),
        }
    }

    /// The one JSON object that it printed.
    pub(crate) fn json(&self) -> Outcome<Value> {
        serde_json::from_str(&self.stdout.join("\n")).context("reading stdout as JSON")
    }
}

impl Start {
    fn of(event: &Value) -> Option<Self> {
        let is_figure = event["event"] == "progress" || event["event"] == "complete";
        is_figure.then_some(())?;
        Some(Self {
            resumed: event["bytes_resumed"].as_u64()?,
            hashed: event["bytes_hashed"].as_u64()?,
        })
    }
}

impl Progress {
    fn of(event: &Value) -> Option<Self> {
        let number = |key: &str| event[key].as_u64();
        (event["event"] == "progress").then_some(())?;
        Some(Self {
            bytes_done: number("bytes_done")?,
            bytes_total: number("bytes_total")?,
            peers_connected: number("peers_connected")?,
            downloaded: number("downloaded")?,
            uploaded: number("uploaded")?,
            is_in_trouble: event["state"] == "disk_trouble",
        })
    }
}

/// What `bt seed` and `bt verify` are pointed at: the file or folder that the torrent names. They
/// take the folder above, too.
pub(crate) fn content(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
