use std::{
    collections::BTreeSet,
    env, fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{Client, Peer, Torrent};
use crate::harness::{Case, Context, Exit, Outcome, Process, ensure, wait, workspace_target};

/// Which libtorrent: they are two clients, some years apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// The newest, from PyPI.
    Newest,
    /// The one that Debian's stable release has, and so half of the seedboxes.
    Debian,
}

impl Client for Build {
    fn name(&self) -> &'static str {
        match self {
            Self::Newest => "libtorrent",
            Self::Debian => "libtorrent-debian",
        }
    }

    fn takes_hybrids(&self) -> bool {
        true
    }

    fn start(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        let mut peer = Libtorrent::peer(case, self.name(), torrent, folder)?;
        peer.build = *self;
        if let Some(limit) = upload_limit {
            peer = peer.upload_limit(limit);
        }
        Ok(Box::new(peer.leech()?))
    }
}

impl Build {
    /// The Python that has it.
    pub(super) fn python(self) -> Outcome<PathBuf> {
        let python = match self {
            Self::Newest => env::var_os("BT_PYTHON").map_or_else(
                || workspace_target().join("tools/venv/bin/python"),
                PathBuf::from,
            ),
            Self::Debian => "/usr/bin/python3".into(),
        };
        let mut probe = Command::new(&python);
        probe
            .args(["-c", "import libtorrent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        static PROBED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
        let mut probed = PROBED.lock().unwrap_or_else(PoisonError::into_inner);
        if !probed.contains(&python) {
            let install = match self {
                Self::Newest => "cargo xtask install-tools",
                Self::Debian => "apt-get install python3-libtorrent",
            };
            ensure!(
                probe.status().is_ok_and(|status| status.success()),
                "{} has no libtorrent: {install}",
                python.display()
            );
            probed.insert(python.clone());
        }
        Ok(python)
    }
}

/// What a torrent is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    V1,
    V2,
    /// Both, with pad files between the files.
    Hybrid,
}

/// Has libtorrent make `name.torrent` of `content`.
pub(crate) fn create(
    case: &Case<'_>,
    name: &str,
    content: &Path,
    format: Format,
    piece_length: u64,
    trackers: &[&str],
) -> Outcome<Torrent> {
    let path = case.path().join(format!("{name}.torrent"));
    let mut command = script(case, Build::Newest)?;
    command.arg("create").arg(content).arg(&path);
    command.args(["--piece-length", &piece_length.to_string()]);
    command.args([
        "--format",
        match format {
            Format::V1 => "v1",
            Format::V2 => "v2",
            Format::Hybrid => "hybrid",
        },
    ]);
    for tracker in trackers {
        command.args(["--tracker", tracker]);
    }
    let mut process = case.spawn(&format!("libtorrent-create-{name}"), command)?;
    let exit = process.wait_exit(wait::TRANSFER)?;
    ensure!(
        exit == Exit::Code(0),
        "libtorrent did not make the torrent: {exit}"
    );
    let created = process
        .latest_event("created")
        .context("libtorrent did not say what it made")?;
    let text = |key: &str| created[key].as_str().map(str::to_owned);
    Ok(Torrent {
        path,
        info_hash: text("info_hash"),
        info_hash_v2: text("info_hash_v2"),
    })
}

/// What libtorrent says of a v1 torrent that it would make.
#[derive(Debug)]
pub(crate) struct MadeInfo {
    /// The info dictionary, in hex.
    pub(crate) info: String,
    /// Whether its files are in the order that this libtorrent calls canonical.
    pub(crate) is_canonical: bool,
}

/// Has libtorrent make the info dictionary of `content`, without padding; a piece length of 0 lets
/// it choose.
pub(crate) fn info(
    case: &Case<'_>,
    build: Build,
    content: &Path,
    piece_length: u64,
    private_of_source: Option<&str>,
) -> Outcome<MadeInfo> {
    let mut command = script(case, build)?;
    command.arg("info").arg(content);
    command.args(["--piece-length", &piece_length.to_string()]);
    if let Some(source) = private_of_source {
        command.args(["--private", "--source", source]);
    }
    let mut process = case.spawn("libtorrent-info", command)?;
    let exit = process.wait_exit(wait::TRANSFER)?;
    ensure!(exit == Exit::Code(0), "libtorrent made nothing: {exit}");
    let made = process.latest_event("info").context("nothing was made")?;
    Ok(MadeInfo {
        info: made["info"].as_str().context("no info")?.to_owned(),
        is_canonical: made["is_canonical"] == true,
    })
}

/// A peer to be started.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    case: &'a Case<'a>,
    build: Build,
    name: String,
    torrent: PathBuf,
    save: PathBuf,
    address: SocketAddrV4,
    options: Vec<String>,
}

/// A libtorrent that serves or fetches one torrent.
#[derive(Debug)]
pub(crate) struct Libtorrent {
    process: Process,
    address: SocketAddrV4,
    uploads_asked: usize,
}

/// What a seeder has sent to those who are gone.
#[derive(Debug)]
pub(crate) struct Uploads {
    /// The pieces of which it has sent blocks, or was about to, since it was asked before.
    pub(crate) pieces: Vec<u64>,
    /// Payload bytes sent since it was started.
    pub(crate) bytes_in_all: u64,
}

impl Libtorrent {
    /// A peer with the content below `save`, as far as it is there.
    pub(crate) fn peer<'a>(
        case: &'a Case<'a>,
        name: &str,
        torrent: &Torrent,
        save: &Path,
    ) -> Outcome<Builder<'a>> {
        Ok(Builder {
            case,
            build: Build::Newest,
            name: name.to_owned(),
            torrent: torrent.path.clone(),
            save: save.to_owned(),
            address: case.address()?,
            options: Vec::new(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(crate) fn wait_finished(&mut self, patience: Duration) -> Outcome {
        self.process
            .wait_event("has downloaded everything", patience, |event| {
                (event["event"] == "finished").then_some(())
            })
    }

    /// Waits until it is connected to so many peers.
    pub(crate) fn wait_peers(&self, count: u64) -> Outcome {
        let what = format!("libtorrent is connected to {count}");
        wait::until(&what, wait::TRANSFER, || {
            Ok((self.status("peers") >= count).then_some(()))
        })
    }

    /// Payload bytes sent so far; lags by a tenth of a second.
    pub(crate) fn uploaded(&self) -> u64 {
        self.status("uploaded")
    }

    /// Payload bytes received so far; lags by a tenth of a second.
    pub(crate) fn downloaded(&self) -> u64 {
        self.status("downloaded")
    }

    /// Payload bytes sent, once everybody has gone and the count cannot grow.
    pub(crate) fn uploaded_when_alone(&mut self) -> Outcome<u64> {
        wait::until("the seeder is alone", wait::SOON, || {
            Ok((self.status("peers") == 0).then(|| self.uploaded()))
        })
    }

    /// What was sent since this was asked before, once everybody has gone: to a process that is
    /// dead nothing is sent any more. Only of one that [records](Builder::record_uploads) it.
    pub(crate) fn take_uploads_when_alone(&mut self) -> Outcome<Uploads> {
        self.process.tell("uploads")?;
        let mut answers_before = self.uploads_asked;
        self.uploads_asked += 1;
        self.process
            .wait_event("is alone and tells what it sent", wait::TRANSFER, |event| {
                (event["event"] == "uploads").then_some(())?;
                if answers_before > 0 {
                    answers_before -= 1;
                    return None;
                }
                let pieces = event["pieces"].as_array()?;
                Some(Uploads {
                    pieces: pieces.iter().filter_map(Value::as_u64).collect(),
                    bytes_in_all: event["uploaded"].as_u64()?,
                })
            })
    }

    /// How many pieces arrived that failed their hash.
    pub(crate) fn failed_hashes(&self) -> usize {
        self.process
            .count_events(|event| event["kind"] == "hash_failed_alert")
    }

    /// Bytes per second; 0 takes the limit away.
    pub(crate) fn limit_upload(&mut self, bytes_per_sec: u64) -> Outcome {
        self.process.tell(&format!("upload-limit {bytes_per_sec}"))
    }

    /// Tells it of another peer.
    pub(crate) fn connect(&mut self, peer: SocketAddrV4) -> Outcome {
        self.process.tell(&format!("peer {peer}"))
    }

    /// Lets it end by itself, which writes what it still holds.
    pub(crate) fn stop(&mut self) -> Outcome {
        self.process.close_stdin();
        let exit = self.process.wait_exit(wait::SOON)?;
        ensure!(exit == Exit::Code(0), "libtorrent ended with {exit}");
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    fn status(&self, key: &str) -> u64 {
        self.process
            .latest_event("status")
            .and_then(|status| status[key].as_u64())
            .unwrap_or(0)
    }
}

impl Peer for Libtorrent {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn wait_complete(&mut self, patience: Duration) -> Outcome {
        self.process
            .wait_event("has everything", patience, |event| {
                (event["event"] == "seeding" || event["event"] == "finished").then_some(())
            })
    }

    fn has_uploaded(&mut self) -> Outcome<bool> {
        self.process.ensure_running()?;
        Ok(self.uploaded() > 0)
    }

    fn stop(mut self: Box<Self>) -> Outcome {
        Self::stop(&mut self)
    }
}

impl Builder<'_> {
    /// Listens there instead of on an address of its own.
    pub(crate) fn listen(mut self, address: SocketAddrV4) -> Self {
        self.address = address;
        self
    }

    pub(crate) fn connect(self, peer: SocketAddrV4) -> Self {
        self.option("--peer", peer.to_string())
    }

    pub(crate) fn upload_limit(self, bytes_per_sec: u64) -> Self {
        self.option("--upload-limit", bytes_per_sec.to_string())
    }

    /// Once checked, `length` bytes of `file` from `offset` are flipped on disk and served so.
    pub(crate) fn corrupt(self, file: &str, offset: u64, length: u64) -> Self {
        self.option("--corrupt", format!("{file}:{offset}:{length}"))
    }

    /// Has it find peers in the DHT, by way of this node, and be found there.
    pub(crate) fn dht(self, node: SocketAddrV4) -> Self {
        self.option("--dht", node.to_string())
    }

    /// Has it find peers on the local network, and be found there.
    pub(crate) fn on_local_network(mut self) -> Self {
        self.options.push("--lsd".to_owned());
        self
    }

    /// Has it learn of nobody through its peers, and tell them of nobody.
    pub(crate) fn without_pex(mut self) -> Self {
        self.options.push("--no-pex".to_owned());
        self
    }

    /// Has it note of which pieces it sends blocks.
    pub(crate) fn record_uploads(mut self) -> Self {
        self.options.push("--record-uploads".to_owned());
        self
    }

    /// Starts it and waits until it has checked that it has everything.
    pub(crate) fn seed(self) -> Outcome<Libtorrent> {
        self.start("seeding")
    }

    /// Starts it with nothing, or with a part.
    pub(crate) fn leech(self) -> Outcome<Libtorrent> {
        self.start("started")
    }

    fn option(mut self, name: &str, value: String) -> Self {
        self.options.extend([name.to_owned(), value]);
        self
    }

    fn start(self, ready: &str) -> Outcome<Libtorrent> {
        let mut command = script(self.case, self.build)?;
        command
            .arg("run")
            .arg(&self.torrent)
            .arg("--save")
            .arg(&self.save);
        command
            .arg("--listen")
            .arg(self.address.to_string())
            .args(&self.options);
        let mut process = self.case.spawn(&self.name, command)?;
        process.wait_event(
            &format!("says it is {ready}"),
            wait::TRANSFER,
            |event: &Value| (event["event"] == ready).then_some(()),
        )?;
        Ok(Libtorrent {
            process,
            address: self.address,
            uploads_asked: 0,
        })
    }
}

/// The script lies in the case's folder, so that this binary can be run from anywhere.
fn script(case: &Case<'_>, build: Build) -> Outcome<Command> {
    let path = case.path().join("libtorrent_peer.py");
    if !path.exists() {
        fs::write(&path, include_str!("../libtorrent_peer.py")).context("writing the script")?;
    }
    let mut command = Command::new(build.python()?);
    command.arg(path);
    Ok(command)
}
