use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use rustix::process::geteuid;

use super::Torrent;
use crate::{
    harness::{Case, Context, Outcome, Process, Program, ensure, wait},
    tracker_client::{ANNOUNCE_ANSWER, Client, Event, Scrape},
};

/// An opentracker that knows the torrents it was given and no others.
#[derive(Debug)]
pub struct Opentracker {
    process: Process,
    address: SocketAddrV4,
}

impl Opentracker {
    pub fn start(case: &Case<'_>, address: SocketAddrV4, torrent: &Torrent) -> Outcome<Self> {
        let hash = torrent
            .info_hash
            .as_deref()
            .context("the torrent has no v1 hash")?;
        // It changes its root to this folder and its user to nobody, if it can; so the whitelist
        // (Debian's build serves nothing that is not listed) has to be named from in there.
        let dir = case.folder(&format!("opentracker-{}", address.port()))?;
        let whitelist = dir.join("whitelist.txt");
        fs::write(&whitelist, format!("{hash}\n")).context("writing the whitelist")?;
        let seen_from_root = if geteuid().is_root() {
            "/whitelist.txt".to_owned()
        } else {
            whitelist.display().to_string()
        };
        let config = dir.join("opentracker.conf");
        let text = format!(
            "listen.tcp_udp {address}\naccess.whitelist {seen_from_root}\ntracker.rootdir {}\ntracker.user nobody\n",
            dir.display()
        );
        fs::write(&config, text).context("writing opentracker's configuration")?;
        let mut command = OPENTRACKER.command()?;
        command.arg("-f").arg(&config).current_dir(&dir);
        let mut tracker = Self {
            process: case.spawn("opentracker", command)?,
            address,
        };
        tracker.wait_ready(&torrent.swarm_id()?)?;
        Ok(tracker)
    }

    pub fn scrape(&self, torrent: &Torrent) -> Outcome<Scrape> {
        Client::connect(self.address, Ipv4Addr::LOCALHOST)?.scrape(&torrent.swarm_id()?)
    }

    /// Waits until `count` peers with everything have announced themselves: the tracker tells
    /// clients to come back in half an hour, so who asks too early asks in vain.
    pub fn wait_seeders(&self, torrent: &Torrent, count: u32) -> Outcome {
        wait::until(
            &format!("the tracker knows {count} seeders"),
            wait::SOON,
            || Ok((self.scrape(torrent)?.seeders >= count).then_some(())),
        )
    }

    /// Waits until `count` peers that lack something have announced themselves.
    pub fn wait_leechers(&self, torrent: &Torrent, count: u32) -> Outcome {
        wait::until(
            &format!("the tracker knows {count} leechers"),
            wait::SOON,
            || Ok((self.scrape(torrent)?.leechers >= count).then_some(())),
        )
    }

    /// Waits until it has counted just so.
    pub fn wait_scrape(&self, torrent: &Torrent, expected: Scrape) -> Outcome {
        let mut last = None;
        wait::until("the tracker has heard of everything", wait::SOON, || {
            let scrape = last.insert(self.scrape(torrent)?);
            Ok((*scrape == expected).then_some(()))
        })
        .context(format_args!("expected {expected:?}, at last {last:?}"))
    }

    /// Ready is who accepts an announce: the whitelist is read by a thread in its own time, and
    /// who is not on it gets an answer of eight bytes.
    fn wait_ready(&mut self, swarm_id: &[u8; 20]) -> Outcome {
        wait::until("opentracker accepts announces", wait::SOON, || {
            let exit = self.process.poll_exit()?;
            ensure!(exit.is_none(), "opentracker ended at once");
            let Ok(client) = Client::connect(self.address, Ipv4Addr::LOCALHOST) else {
                return Ok(None);
            };
            let accepted = client
                .announce(swarm_id, PROBE_PORT, Event::Started)
                .is_ok_and(|n| n >= ANNOUNCE_ANSWER);
            if accepted {
                client.announce(swarm_id, PROBE_PORT, Event::Stopped)?;
            }
            Ok(accepted.then_some(()))
        })
    }
}

const OPENTRACKER: Program = Program {
    name: "opentracker",
    install: "apt-get install opentracker",
};

/// The discard service: nobody will be found there, and it is taken back at once.
const PROBE_PORT: u16 = 9;
