//! A UDP tracker that answers whatever a case likes.

use std::{
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    harness::{Case, Context, Outcome},
    tracker_client::url,
};

/// Answers each datagram with those that `answer` makes of it.
#[derive(Debug)]
pub(crate) struct HostileTracker {
    address: SocketAddrV4,
    asked: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HostileTracker {
    pub(crate) fn start(
        case: &Case<'_>,
        answer: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Outcome<Self> {
        let address = case.address()?;
        let socket = UdpSocket::bind(address).context(format_args!("binding {address}"))?;
        socket
            .set_read_timeout(Some(LOOK_UP))
            .context("setting a time-out")?;
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            move || serve(&socket, &asked, &is_over, answer)
        });
        Ok(Self {
            address,
            asked,
            is_over,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// How many datagrams have been answered.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for HostileTracker {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What somebody wants to know, as far as answering goes (BEP 15).
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// 0 to connect, 1 to announce.
    pub(crate) action: u32,
    pub(crate) transaction_id: u32,
    /// Who asks.
    pub(crate) from: SocketAddr,
    /// Of an announce: where it says that it listens.
    pub(crate) port: u16,
    /// Of an announce: what follows, options (BEP 41).
    pub(crate) options: Vec<u8>,
}

impl Asked {
    fn read(datagram: &[u8], from: SocketAddr) -> Option<Self> {
        let number = |at: usize| {
            Some(u32::from_be_bytes(
                datagram.get(at..at + 4)?.try_into().ok()?,
            ))
        };
        Some(Self {
            action: number(8)?,
            transaction_id: number(12)?,
            from,
            port: number(94).map_or(0, |number| number as u16),
            options: datagram.get(98..).unwrap_or_default().to_vec(),
        })
    }

    /// A right answer: to connect, or to announce, with one peer.
    pub(crate) fn right(&self, peer: SocketAddrV4) -> Vec<u8> {
        self.right_with(1800, &[peer])
    }

    /// A right answer: to connect, or to announce, with these peers.
    pub(crate) fn right_with(&self, interval: u32, peers: &[SocketAddrV4]) -> Vec<u8> {
        let mut answer = self.head();
        if self.action == CONNECT {
            answer.extend(*b"hostile!"); // the connection id
            return answer;
        }
        answer.extend([interval, 0, 1].map(u32::to_be_bytes).concat()); // and leechers, seeders
        for peer in peers {
            answer.extend(peer.ip().octets());
            answer.extend(peer.port().to_be_bytes());
        }
        answer
    }

    /// Action and transaction id, with which every answer begins.
    pub(crate) fn head(&self) -> Vec<u8> {
        [self.action, self.transaction_id]
            .map(u32::to_be_bytes)
            .concat()
    }

    pub(crate) fn refusal(&self, reason: &str) -> Vec<u8> {
        let head = [ERROR, self.transaction_id].map(u32::to_be_bytes).concat();
        [&head[..], reason.as_bytes()].concat()
    }
}

fn serve(
    socket: &UdpSocket,
    asked: &AtomicUsize,
    is_over: &AtomicBool,
    answer: impl Fn(&Asked) -> Vec<Vec<u8>>,
) {
    let mut datagram = [0; 2048];
    while !is_over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut datagram) else {
            continue; // the time-out, or somebody who has gone
        };
        if let Some(request) = Asked::read(&datagram[..length], from) {
            for answer in answer(&request) {
                let _ = socket.send_to(&answer, from);
            }
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) const CONNECT: u32 = 0;
const ERROR: u32 = 3;

/// How often the thread looks up from its socket.
const LOOK_UP: Duration = Duration::from_millis(20);
