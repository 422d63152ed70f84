use std::{
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;

use super::Torrent;
use crate::harness::{Case, Context, Outcome, Process, Program, ensure, wait};

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

/// A transmission-daemon with one torrent.
#[derive(Debug)]
pub(crate) struct Transmission {
    process: Process,
    address: SocketAddrV4,
    rpc: String,
    download_dir: PathBuf,
}

impl Transmission {
    /// Starts a daemon that keeps its downloads below `download_dir`, and waits until it answers.
    pub(crate) fn start(case: &Case<'_>, name: &str, download_dir: &Path) -> Outcome<Self> {
        let address = case.address()?;
        let rpc = case.address()?;
        let config = case.folder(&format!("{name}-config"))?;
        let settings = json!({
            "bind-address-ipv4": address.ip(),
            "bind-address-ipv6": "::1",
            "peer-port": address.port(),
            "peer-port-random-on-start": false,
            "rpc-bind-address": rpc.ip(),
            "rpc-port": rpc.port(),
            "rpc-authentication-required": false,
            "rpc-whitelist-enabled": false,
            "rpc-host-whitelist-enabled": false,
            "download-dir": download_dir,
            "incomplete-dir-enabled": false,
            "rename-partial-files": false,
            // Only what the case says: no discovery, TCP, plain or encrypted as the other likes.
            "dht-enabled": false,
            "lpd-enabled": false,
            "pex-enabled": false,
            "utp-enabled": false,
            "port-forwarding-enabled": false,
            "blocklist-enabled": false,
            "encryption": 0,
            "message-level": 3,
        });
        fs::write(config.join("settings.json"), settings.to_string())
            .context("writing transmission's settings")?;
        let mut command = DAEMON.command()?;
        command.args(["--foreground", "--config-dir"]).arg(&config);
        let mut transmission = Self {
            process: case.spawn(name, command)?,
            address,
            rpc: rpc.to_string(),
            download_dir: download_dir.to_owned(),
        };
        wait::until("transmission answers", wait::SOON, || {
            let exit = transmission.process.poll_exit()?;
            ensure!(exit.is_none(), "transmission-daemon ended at once");
            Ok(transmission.remote(&["-si"]).ok())
        })?;
        Ok(transmission)
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Adds the torrent; what lies in the download folder is checked.
    pub(crate) fn add(&self, torrent: &Torrent) -> Outcome {
        let path = torrent
            .path
            .to_str()
            .context("paths of the harness are UTF-8")?;
        let answer = self.remote(&["-a", path])?;
        ensure!(
            answer.contains("success"),
            "transmission did not take the torrent: {answer}"
        );
        // A torrent that has been added can be asked for.
        wait::until("transmission lists the torrent", wait::SOON, || {
            Ok(self.info()?.contains("Percent Done").then_some(()))
        })
    }

    /// Waits until everything is there and no check is running.
    pub(crate) fn wait_complete(&self, patience: Duration) -> Outcome {
        wait::until("transmission has everything", patience, || {
            let info = self.info()?;
            let state = field(&info, "State").unwrap_or_default();
            let done = field(&info, "Percent Done") == Some("100%");
            Ok((done && ["Idle", "Seeding"].contains(&state)).then_some(()))
        })
        .context(format_args!(
            "downloading to {}",
            self.download_dir.display()
        ))
    }

    /// Whether it has sent anything at all: it rounds the count.
    pub(crate) fn has_uploaded(&self) -> Outcome<bool> {
        let info = self.info()?;
        Ok(field(&info, "Uploaded").context("no count of uploads")? != "None")
    }

    fn info(&self) -> Outcome<String> {
        self.remote(&["-t", "all", "-i"])
    }

    fn remote(&self, arguments: &[&str]) -> Outcome<String> {
        let mut command = REMOTE.command()?;
        command.arg(&self.rpc).args(arguments);
        output(command)
    }
}

/// The text after `name:` in transmission's listings.
fn field<'a>(listing: &'a str, name: &str) -> Option<&'a str> {
    listing
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn output(mut command: Command) -> Outcome<String> {
    let output = command
        .output()
        .context(format_args!("running {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{text}{complaint}",
        output.status
    );
    Ok(text)
}

const DAEMON: Program = Program {
    name: "transmission-daemon",
    package: "transmission-daemon",
};
const REMOTE: Program = Program {
    name: "transmission-remote",
    package: "transmission-cli",
};
const CREATE: Program = Program {
    name: "transmission-create",
    package: "transmission-cli",
};
const SHOW: Program = Program {
    name: "transmission-show",
    package: "transmission-cli",
};
