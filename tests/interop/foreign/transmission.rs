use std::{fs, net::SocketAddrV4, path::Path, process::Command, time::Duration};

use bt_tests::foreign::transmission::Rpc;
use serde_json::{Value, json};

use super::{Client, Finder, FindingPeer, Finds, Peer, Place, Torrent};
use crate::harness::{
    Case, Context, Exit, Outcome, Process, Program, ensure, ports::free_port, wait,
};

/// Has transmission-create make `name.torrent` of `content`.
pub(crate) fn create(
    case: &Case<'_>,
    name: &str,
    content: &Path,
    piece_length: u64,
    tracker: &str,
) -> Outcome<Torrent> {
    let path = case.path().join(format!("{name}.torrent"));
    let mut command = CREATE.command()?;
    command
        .arg("-o")
        .arg(&path)
        .args(["-t", tracker, "-c", "for the interop tests"]);
    command
        .args(["-s", &(piece_length / 1024).to_string()])
        .arg(content);
    output(command)?;

    let mut command = SHOW.command()?;
    command.arg(&path);
    let shown = output(command)?;
    let hash = field(&shown, "Hash").context("transmission-show printed no hash")?;
    Ok(Torrent {
        path,
        info_hash: Some(hash.to_owned()),
        info_hash_v2: None,
    })
}

/// transmission-daemon, driven by transmission-remote.
#[derive(Debug)]
pub(crate) struct Transmission;

impl Client for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn makes_empty_files(&self) -> bool {
        false
    }

    /// Often it does not for half a minute and more, and it cannot be told of peers by hand.
    fn dials_from_trackers(&self) -> bool {
        false
    }

    fn start(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        let (address, rpc) = (case.address()?, case.address()?);
        let settings = settings(address, rpc, folder, upload_limit);
        let running = Running::start(case, torrent, [address, rpc], &settings)?;
        Ok(Box::new(running))
    }
}

impl Finder for Transmission {
    fn start_finding(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        place: Place,
    ) -> Outcome<Box<dyn FindingPeer>> {
        let address = SocketAddrV4::new(place.ip, free_port()?);
        let rpc = SocketAddrV4::new(place.ip, free_port()?);
        let mut settings = settings(address, rpc, folder, None);
        let how = match place.finds {
            Finds::ThroughPeers => "pex-enabled",
            Finds::Nearby => "lpd-enabled",
        };
        settings[how] = true.into();
        let running = Running::start(case, torrent, [address, rpc], &settings)?;
        Ok(Box::new(running))
    }

    fn first_calls(&self) -> usize {
        1
    }
}

fn settings(
    address: SocketAddrV4,
    rpc: SocketAddrV4,
    folder: &Path,
    upload_limit: Option<u64>,
) -> Value {
    json!({
        "bind-address-ipv4": address.ip(),
        "bind-address-ipv6": "::1",
        "peer-port": address.port(),
        "peer-port-random-on-start": false,
        "rpc-bind-address": rpc.ip(),
        "rpc-port": rpc.port(),
        "rpc-authentication-required": false,
        "rpc-whitelist-enabled": false,
        "rpc-host-whitelist-enabled": false,
        "download-dir": folder,
        "incomplete-dir-enabled": false,
        "rename-partial-files": false,
        // Its unit is 1000 bytes per second.
        "speed-limit-up-enabled": upload_limit.is_some(),
        "speed-limit-up": upload_limit.unwrap_or(0).div_ceil(1000),
        // Only what the case says: no discovery, TCP, plain or encrypted as the other likes.
        "dht-enabled": false,
        "lpd-enabled": false,
        "pex-enabled": false,
        "utp-enabled": false,
        "port-forwarding-enabled": false,
        "blocklist-enabled": false,
        "encryption": 0,
        "message-level": 3,
    })
}

/// The states of a torrent that is neither stopped, queued nor being checked.
const RUNS: [&str; 4] = ["Idle", "Downloading", "Seeding", "Up & Down"];

struct Running {
    process: Process,
    address: SocketAddrV4,
    rpc: SocketAddrV4,
}

impl Running {
    fn start(
        case: &Case<'_>,
        torrent: &Torrent,
        [address, rpc]: [SocketAddrV4; 2],
        settings: &Value,
    ) -> Outcome<Self> {
        let config = case.folder(&format!("transmission-{}", address.port()))?;
        fs::write(config.join("settings.json"), settings.to_string())
            .context("writing transmission's settings")?;
        let mut command = DAEMON.command()?;
        command.args(["--foreground", "--config-dir"]).arg(&config);
        let mut transmission = Self {
            process: case.spawn("transmission", command)?,
            address,
            rpc,
        };
        wait::until("transmission answers", wait::SOON, || {
            transmission.process.ensure_running()?;
            Ok(transmission.remote(&["-si"]).ok())
        })?;
        transmission.add(torrent)?;
        Ok(transmission)
    }

    /// Adds the torrent; what lies in the download folder is checked.
    fn add(&self, torrent: &Torrent) -> Outcome {
        let path = torrent
            .path
            .to_str()
            .context("paths of the harness are UTF-8")?;
        let answer = self.remote(&["-a", path])?;
        ensure!(
            answer.contains("success"),
            "transmission did not take the torrent: {answer}"
        );
        // Until it has looked at what is there it sends away whoever comes, and who is sent away comes
        // back much later.
        wait::until("transmission runs the torrent", wait::TRANSFER, || {
            Ok(RUNS.contains(&self.state()?.as_str()).then_some(()))
        })
    }

    /// One word or two; none before it knows the torrent.
    fn state(&self) -> Outcome<String> {
        Ok(field(&self.info()?, "State").unwrap_or_default().to_owned())
    }

    fn info(&self) -> Outcome<String> {
        self.remote(&["-t", "all", "-i"])
    }

    fn remote(&self, arguments: &[&str]) -> Outcome<String> {
        let mut command = REMOTE.command()?;
        command.arg(self.rpc.to_string()).args(arguments);
        output(command)
    }
}

impl Peer for Running {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn wait_complete(&mut self, patience: Duration) -> Outcome {
        wait::until("transmission has everything", patience, || {
            self.process.ensure_running()?;
            let info = self.info()?;
            // Not "Verifying".
            let state = field(&info, "State").unwrap_or_default();
            let done = field(&info, "Percent Done") == Some("100%");
            Ok((done && ["Idle", "Seeding"].contains(&state)).then_some(()))
        })
    }

    fn has_uploaded(&mut self) -> Outcome<bool> {
        let info = self.info()?;
        // It rounds the count, and nothing is "None".
        Ok(field(&info, "Uploaded").context("no count of uploads")? != "None")
    }

    fn stop(mut self: Box<Self>) -> Outcome {
        self.process.terminate()
    }
}

impl FindingPeer for Running {
    fn has_found(&mut self, by: Finds) -> Outcome<bool> {
        let torrent = Rpc::at(self.rpc).torrent(&["peersFrom"])?;
        let torrent = torrent.context("transmission went silent")?;
        let count = &torrent["peersFrom"][match by {
            Finds::ThroughPeers => "fromPex",
            Finds::Nearby => "fromLpd",
        }];
        Ok(count.as_u64().context("no count of its peers")? > 0)
    }
}

/// The text after `name:` in transmission's listings.
fn field<'a>(listing: &'a str, name: &str) -> Option<&'a str> {
    listing
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn output(command: Command) -> Outcome<String> {
    let doing = format!("{command:?}");
    let mut process = Process::spawn("transmission's helper", command)?;
    let exit = process.wait_exit(wait::TRANSFER).context(&doing)?;
    let said = process.log().stdout().join("\n");
    let complaint = process.log().stderr().join("\n");
    ensure!(
        exit == Exit::Code(0),
        "{doing}: {exit}\n{said}\n{complaint}"
    );
    Ok(said)
}

const DAEMON: Program = Program {
    name: "transmission-daemon",
    install: "apt-get install transmission-daemon",
};
const REMOTE: Program = Program {
    name: "transmission-remote",
    install: "apt-get install transmission-cli",
};
const CREATE: Program = Program {
    name: "transmission-create",
    install: "apt-get install transmission-cli",
};
const SHOW: Program = Program {
    name: "transmission-show",
    install: "apt-get install transmission-cli",
};
