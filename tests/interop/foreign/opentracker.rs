use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    process,
    time::Duration,
};

use rustix::process::geteuid;

use super::Torrent;
use crate::harness::{Case, Context, Outcome, Process, Program, ensure, wait};

/// An opentracker that knows the torrents it was given and no others.
#[derive(Debug)]
pub(crate) struct Opentracker {
    process: Process,
    address: SocketAddrV4,
}

/// What a scrape answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrape {
    pub(crate) seeders: u32,
    pub(crate) completed: u32,
    pub(crate) leechers: u32,
}

/// The URL under which a tracker at `address` will be found.
pub(crate) fn url(address: SocketAddrV4) -> String {
    format!("udp://{address}/announce")
}

impl Opentracker {
    pub(crate) fn start(
        case: &Case<'_>,
        address: SocketAddrV4,
        torrent: &Torrent,
    ) -> Outcome<Self> {
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
        tracker.wait_ready(hash)?;
        Ok(tracker)
    }

    pub(crate) fn scrape(&self, torrent: &Torrent) -> Outcome<Scrape> {
        let hash = torrent
            .info_hash
            .as_deref()
            .context("the torrent has no v1 hash")?;
        Client::connect(self.address, Ipv4Addr::LOCALHOST)?.scrape(&hash_bytes(hash)?)
    }

    /// Waits until `count` peers with everything have announced themselves: the tracker tells
    /// clients to come back in half an hour, so who asks too early asks in vain.
    pub(crate) fn wait_seeders(&self, torrent: &Torrent, count: u32) -> Outcome {
        wait::until(
            &format!("the tracker knows {count} seeders"),
            wait::SOON,
            || Ok((self.scrape(torrent)?.seeders >= count).then_some(())),
        )
    }

    /// Announces a peer that is not there.
    pub(crate) fn announce_dead_peer(&self, torrent: &Torrent, peer: SocketAddrV4) -> Outcome {
        let hash = torrent
            .info_hash
            .as_deref()
            .context("the torrent has no v1 hash")?;
        let client = Client::connect(self.address, *peer.ip())?;
        let length = client.announce(&hash_bytes(hash)?, peer.port(), Event::Started)?;
        ensure!(length >= 20, "the tracker refused a peer");
        Ok(())
    }

    /// Ready is who accepts an announce: the whitelist is read by a thread in its own time, and
    /// who is not on it gets an answer of eight bytes.
    fn wait_ready(&mut self, hash: &str) -> Outcome {
        let hash = hash_bytes(hash)?;
        wait::until("opentracker accepts announces", wait::SOON, || {
            let exit = self.process.poll_exit()?;
            ensure!(exit.is_none(), "opentracker ended at once");
            let Ok(client) = Client::connect(self.address, Ipv4Addr::LOCALHOST) else {
                return Ok(None);
            };
            let accepted = client
                .announce(&hash, PROBE_PORT, Event::Started)
                .is_ok_and(|n| n >= 20);
            if accepted {
                client.announce(&hash, PROBE_PORT, Event::Stopped)?;
            }
            Ok(accepted.then_some(()))
        })
    }
}

/// Just enough of BEP 15 to look into a tracker with other eyes than those of the code under test.
#[derive(Debug)]
struct Client {
    socket: UdpSocket,
    connection_id: [u8; 8],
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Started = 2,
    Stopped = 3,
}

impl Client {
    fn connect(tracker: SocketAddrV4, from: Ipv4Addr) -> Outcome<Self> {
        let socket = UdpSocket::bind((from, 0)).context("binding a socket to ask the tracker")?;
        socket
            .connect(tracker)
            .context("connecting to the tracker")?;
        socket
            .set_read_timeout(Some(ANSWER))
            .context("setting a time-out")?;
        let mut client = Self {
            socket,
            connection_id: PROTOCOL_ID,
        };
        let answer = client.ask(0, &[])?;
        ensure!(
            answer.len() == 16,
            "a connect answer of {} bytes",
            answer.len()
        );
        client.connection_id.copy_from_slice(&answer[8..]);
        Ok(client)
    }

    /// The length of the answer, from which follows whether it is one.
    fn announce(&self, hash: &[u8; 20], port: u16, event: Event) -> Outcome<usize> {
        let mut body = hash.to_vec();
        body.extend(b"-XX0000-interop");
        body.extend([0; 3]);
        body.extend(port.to_be_bytes());
        body.extend(0_u64.to_be_bytes()); // downloaded
        body.extend(1_u64.to_be_bytes()); // left
        body.extend(0_u64.to_be_bytes()); // uploaded
        body.extend((event as u32).to_be_bytes());
        body.extend([0; 4]); // address: the sender's
        body.extend(u32::from(port).to_be_bytes()); // key
        body.extend(0_u32.to_be_bytes()); // peers wanted
        body.extend(port.to_be_bytes());
        Ok(self.ask(1, &body)?.len())
    }

    fn scrape(&self, hash: &[u8; 20]) -> Outcome<Scrape> {
        let answer = self.ask(2, hash)?;
        ensure!(
            answer.len() == 20,
            "a scrape answer of {} bytes",
            answer.len()
        );
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| answer[at + n]));
        Ok(Scrape {
            seeders: number(8),
            completed: number(12),
            leechers: number(16),
        })
    }

    fn ask(&self, action: u32, body: &[u8]) -> Outcome<Vec<u8>> {
        let transaction_id = process::id() ^ action;
        let head = [action.to_be_bytes(), transaction_id.to_be_bytes()].concat();
        let datagram = [&self.connection_id, &head[..], body].concat();
        self.socket.send(&datagram).context("asking the tracker")?;
        let mut answer = vec![0; 2048];
        let length = self
            .socket
            .recv(&mut answer)
            .context("the tracker's answer")?;
        answer.truncate(length);
        ensure!(
            answer.starts_with(&head),
            "the tracker answered something else: {answer:02x?}"
        );
        Ok(answer)
    }
}

fn hash_bytes(hex: &str) -> Outcome<[u8; 20]> {
    let mut bytes = [0; 20];
    ensure!(hex.len() == 40 && hex.is_ascii(), "{hex} is no info hash");
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).context("reading an info hash")?;
    }
    Ok(bytes)
}

const OPENTRACKER: Program = Program {
    name: "opentracker",
    package: "opentracker",
};

/// BEP 15, "connect request".
const PROTOCOL_ID: [u8; 8] = 0x417_2710_1980_u64.to_be_bytes();

/// The discard service: nobody will be found there, and it is taken back at once.
const PROBE_PORT: u16 = 9;

const ANSWER: Duration = Duration::from_millis(500);
