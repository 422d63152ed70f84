//! Just enough of BEP 15 to look into a tracker with other eyes than those of the code under test.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    process,
    time::Duration,
};

use crate::{
    foreign::Torrent,
    harness::{Context, Outcome, ensure},
};

/// The URL under which a tracker at `address` will be found.
pub fn url(address: SocketAddrV4) -> String {
    format!("udp://{address}/announce")
}

/// Tells a tracker of `peer`, who may not know, or not be there at all.
pub fn announce_for(tracker: SocketAddrV4, torrent: &Torrent, peer: SocketAddrV4) -> Outcome {
    let client = Client::connect(tracker, *peer.ip())?;
    let length = client.announce(&torrent.swarm_id()?, peer.port(), Event::Started)?;
    ensure!(length >= ANNOUNCE_ANSWER, "the tracker refused {peer}");
    Ok(())
}

/// A client that announces when it is told to.
#[derive(Debug)]
pub struct Client {
    socket: UdpSocket,
    connection_id: [u8; 8],
}

/// What a scrape answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scrape {
    pub seeders: u32,
    pub completed: u32,
    pub leechers: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Started = 2,
    Stopped = 3,
}

impl Client {
    pub fn connect(tracker: SocketAddrV4, from: Ipv4Addr) -> Outcome<Self> {
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
    pub fn announce(&self, hash: &[u8; 20], port: u16, event: Event) -> Outcome<usize> {
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

    pub fn scrape(&self, hash: &[u8; 20]) -> Outcome<Scrape> {
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

/// An announce answer is at least this long; some trackers refuse by a shorter one.
pub const ANNOUNCE_ANSWER: usize = 20;

/// BEP 15, "connect request".
const PROTOCOL_ID: [u8; 8] = 0x417_2710_1980_u64.to_be_bytes();

const ANSWER: Duration = Duration::from_millis(500);
