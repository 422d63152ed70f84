use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use super::version_of;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};
use bt_tests::harness::{Context, Outcome, Program, ensure, http::JsonApi, ports::free_port};

pub(super) const QBITTORRENT: Client = Client {
    name: "qbittorrent",
    settings: "nox, defaults; no encryption, uTP, DHT, LSD, PEX, port forwarding, queueing",
    is_optional: false,
    works: &[Work::Download, Work::Verify],
    version: |_| version_of(NOX, "--version"),
    job,
};

fn job<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let api = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
    let config = task.scratch.join("qBittorrent/config");
    fs::create_dir_all(&config).context("making qbittorrent's folder")?;
    fs::write(config.join("qBittorrent.conf"), settings(task, api))
        .context("writing qbittorrent's settings")?;
    let mut command = NOX.command()?;
    let profile = task.scratch.display();
    command.arg(format!("--profile={profile}"));
    command.arg(task.torrent).env("HOME", task.scratch);
    Ok(Job {
        command,
        done: Done::Answer(Box::new(move || is_complete(JsonApi(api)))),
    })
}

/// Not while it does not listen yet.
fn is_complete(api: JsonApi) -> Outcome<bool> {
    let Ok(torrents) = api.get("/api/v2/torrents/info") else {
        return Ok(false);
    };
    let state = torrents[0]["state"].as_str().unwrap_or_default();
    ensure!(
        !["error", "missingFiles"].contains(&state),
        "qbittorrent failed: {torrents}"
    );
    Ok(torrents[0]["progress"] == 1 && ["uploading", "stalledUP"].contains(&state))
}

fn settings(task: &Task<'_>, api: SocketAddrV4) -> String {
    let (folder, ip, port) = (
        task.folder.display(),
        task.address.ip(),
        task.address.port(),
    );
    let (api_ip, api_port) = (api.ip(), api.port());
    format!(
        "[LegalNotice]\nAccepted=true\n\
         [BitTorrent]\n\
         Session\\Port={port}\n\
         Session\\Interface=lo\n\
         Session\\InterfaceAddress={ip}\n\
         Session\\DefaultSavePath={folder}\n\
         Session\\Encryption=2\n\
         Session\\BTProtocol=TCP\n\
         Session\\DHTEnabled=false\n\
         Session\\LSDEnabled=false\n\
         Session\\PeXEnabled=false\n\
         Session\\QueueingSystemEnabled=false\n\
         Session\\MultiConnectionsPerIp=true\n\
         Session\\SSRFMitigation=false\n\
         [Network]\nPortForwardingEnabled=false\n\
         [Preferences]\n\
         WebUI\\Enabled=true\n\
         WebUI\\Address={api_ip}\n\
         WebUI\\Port={api_port}\n\
         WebUI\\LocalHostAuth=false\n\
         WebUI\\UseUPnP=false\n\
         WebUI\\CSRFProtection=false\n\
         WebUI\\HostHeaderValidation=false\n"
    )
}

const NOX: Program = Program {
    name: "qbittorrent-nox",
    install: "apt-get install qbittorrent-nox",
};
