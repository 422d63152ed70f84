use std::{fs, net::SocketAddrV4, path::Path, time::Duration};

use serde_json::Value;

use super::{Client, Finder, FindingPeer, Finds, Peer, Place, Torrent};
use crate::harness::{
    Case, Context, Outcome, Process, Program, http::JsonApi, ports::free_port, wait,
};

/// qbittorrent-nox, asked through its web interface.
#[derive(Debug)]
pub(crate) struct Qbittorrent;

impl Client for Qbittorrent {
    fn name(&self) -> &'static str {
        "qbittorrent"
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
        let (address, web) = (case.address()?, case.address()?);
        let configuration = configuration(address, web, folder, upload_limit, None);
        let running = Running::start(case, torrent, [address, web], &configuration)?;
        Ok(Box::new(running))
    }
}

impl Finder for Qbittorrent {
    fn start_finding(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        place: Place,
    ) -> Outcome<Box<dyn FindingPeer>> {
        let address = SocketAddrV4::new(place.ip, free_port()?);
        let web = SocketAddrV4::new(place.ip, free_port()?);
        let configuration = configuration(address, web, folder, None, Some(place.finds));
        let running = Running::start(case, torrent, [address, web], &configuration)?;
        Ok(Box::new(running))
    }

    /// As libtorrent does: again after two seconds, and after four.
    fn first_calls(&self) -> usize {
        3
    }
}

fn configuration(
    address: SocketAddrV4,
    web: SocketAddrV4,
    folder: &Path,
    upload_limit: Option<u64>,
    finds: Option<Finds>,
) -> String {
    // Its unit is 1024 bytes per second, and 0 is no limit.
    let limit = upload_limit.map_or(0, |limit| limit.div_ceil(1024));
    format!(
        r"[LegalNotice]
Accepted=true

[BitTorrent]
Session\InterfaceAddress={ip}
Session\Port={port}
Session\BTProtocol=TCP
Session\DHTEnabled=false
Session\LSDEnabled={lsd}
Session\PeXEnabled={pex}
Session\QueueingSystemEnabled=false
Session\SSRFMitigation=false
Session\MultiConnectionsPerIp=true
Session\IgnoreLimitsOnLAN=false
Session\GlobalUPSpeedLimit={limit}
Session\DefaultSavePath={folder}

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\Enabled=true
WebUI\Address={web_ip}
WebUI\Port={web_port}
WebUI\LocalHostAuth=false
WebUI\AuthSubnetWhitelistEnabled=true
WebUI\AuthSubnetWhitelist=0.0.0.0/0
WebUI\HostHeaderValidation=false
WebUI\UseUPnP=false
",
        ip = address.ip(),
        port = address.port(),
        lsd = finds == Some(Finds::Nearby),
        pex = finds == Some(Finds::ThroughPeers),
        folder = folder.display(),
        web_ip = web.ip(),
        web_port = web.port(),
    )
}

struct Running {
    process: Process,
    address: SocketAddrV4,
    web: JsonApi,
}

impl Running {
    fn start(
        case: &Case<'_>,
        torrent: &Torrent,
        [address, web]: [SocketAddrV4; 2],
        configuration: &str,
    ) -> Outcome<Self> {
        let profile = case.folder(&format!("qbittorrent-{}", address.port()))?;
        let config = profile.join("qBittorrent/config");
        fs::create_dir_all(&config).context("making qbittorrent's profile")?;
        fs::write(config.join("qBittorrent.conf"), configuration)
            .context("writing qbittorrent's configuration")?;
        let mut command = QBITTORRENT.command()?;
        command
            .arg(format!("--profile={}", profile.display()))
            .arg(&torrent.path)
            .env("HOME", &profile)
            // Qt writes file names as the locale says.
            .env("LC_ALL", "C.UTF-8");
        let mut qbittorrent = Self {
            process: case.spawn("qbittorrent", command)?,
            address,
            web: JsonApi(web),
        };
        // While it checks it turns peers away.
        wait::until("qbittorrent has checked its files", wait::TRANSFER, || {
            qbittorrent.process.ensure_running()?;
            let torrent = qbittorrent.torrent().ok();
            let is_checked = |torrent: &Value| {
                let state = torrent["state"].as_str();
                state.is_some_and(|state| !state.starts_with("checking"))
            };
            Ok(torrent.filter(is_checked))
        })?;
        Ok(qbittorrent)
    }

    /// What it says of its only torrent.
    fn torrent(&self) -> Outcome<Value> {
        let torrents = self.web.get("/api/v2/torrents/info")?;
        torrents.get(0).cloned().context("it has no torrent")
    }
}

impl Peer for Running {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn wait_complete(&mut self, patience: Duration) -> Outcome {
        wait::until("qbittorrent has everything", patience, || {
            self.process.ensure_running()?;
            let torrent = self.torrent()?;
            let state = torrent["state"].as_str().unwrap_or_default();
            // "stalled" is who has nobody to send to.
            let is_seeding = ["uploading", "stalledUP"].contains(&state);
            Ok((is_seeding && torrent["progress"] == 1).then_some(()))
        })
    }

    fn has_uploaded(&mut self) -> Outcome<bool> {
        let torrent = self.torrent()?;
        let uploaded = torrent["uploaded"].as_u64();
        Ok(uploaded.context("no count of uploads")? > 0)
    }

    fn stop(mut self: Box<Self>) -> Outcome {
        self.process.terminate()
    }
}

impl FindingPeer for Running {
    /// Of each peer it shows a letter for every way by which it was found.
    fn has_found(&mut self, by: Finds) -> Outcome<bool> {
        let torrent = self.torrent()?;
        let hash = torrent["hash"].as_str().context("a torrent without hash")?;
        let said = self
            .web
            .get(&format!("/api/v2/sync/torrentPeers?hash={hash}"))?;
        let letter = match by {
            Finds::ThroughPeers => 'X',
            Finds::Nearby => 'L',
        };
        let peers = said["peers"].as_object().context("no list of peers")?;
        let has_letter = |peer: &Value| {
            let flags = peer["flags"].as_str();
            flags.is_some_and(|flags| flags.contains(letter))
        };
        Ok(peers.values().any(has_letter))
    }
}

const QBITTORRENT: Program = Program {
    name: "qbittorrent-nox",
    install: "apt-get install qbittorrent-nox",
};
