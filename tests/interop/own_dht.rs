//! Nodes of our own DHT on sockets: as much of a driver as the cases need.

use std::{
    io::ErrorKind,
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bt_dht::{Config, Dht, Event, OperationId, Outcome};

use crate::harness::{Context, Outcome as CaseOutcome, wait};

/// A node with a socket and a thread, until it is dropped.
pub(crate) struct OwnNode {
    address: SocketAddrV4,
    socket: UdpSocket,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    node: Mutex<Node>,
    is_over: AtomicBool,
}

struct Node {
    dht: Dht,
    events: Vec<Event>,
}

impl OwnNode {
    pub(crate) fn start(address: SocketAddrV4) -> CaseOutcome<Self> {
        let socket = UdpSocket::bind(address).context("binding a node's socket")?;
        let config = Config {
            trusts_local_addresses: true,
            ..Config::default()
        };
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&address.port().to_be_bytes());
        seed[2..6].copy_from_slice(&address.ip().octets());
        let shared = Arc::new(Shared {
            node: Mutex::new(Node {
                dht: Dht::new(Instant::now(), config, seed),
                events: Vec::new(),
            }),
            is_over: AtomicBool::new(false),
        });
        let thread = thread::spawn({
            let (socket, shared) = (
                socket.try_clone().context("a second handle")?,
                shared.clone(),
            );
            move || shared.run(&socket)
        });
        Ok(Self {
            address,
            socket,
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Gives the node a command.
    pub(crate) fn command<T>(&self, give: impl FnOnce(&mut Dht, Instant) -> T) -> T {
        let mut node = self.shared.lock();
        let result = give(&mut node.dht, Instant::now());
        node.flush(&self.socket);
        result
    }

    /// Waits until an operation has ended; returns all that was learnt by it, its end last.
    pub(crate) fn finish(&self, id: OperationId) -> CaseOutcome<(Vec<Event>, Outcome)> {
        wait::until("the node's operation ends", wait::SOON, || {
            let node = self.shared.lock();
            let end = node.events.iter().find_map(|event| match event {
                Event::Finished {
                    id: of, outcome, ..
                } if *of == id => Some(*outcome),
                _ => None,
            });
            let is_of = |event: &&Event| match event {
                Event::Peers { id: of, .. } | Event::Item { id: of, .. } => *of == id,
                _ => false,
            };
            Ok(end.map(|end| (node.events.iter().filter(is_of).cloned().collect(), end)))
        })
    }
}

impl Drop for OwnNode {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, socket: &UdpSocket) {
        let mut buffer = [0; 2048];
        while !self.is_over.load(Ordering::Relaxed) {
            let due = self.lock().dht.poll_timeout();
            let left = due.saturating_duration_since(Instant::now());
            let left = left.clamp(Duration::from_millis(1), LONGEST_WAIT);
            if socket.set_read_timeout(Some(left)).is_err() {
                return;
            }
            let received = socket.recv_from(&mut buffer);
            let mut node = self.lock();
            let now = Instant::now();
            match received {
                Ok((length, from)) => {
                    // What it does not take is nobody's concern here.
                    let _ = node.dht.handle_datagram(now, from, &buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Somebody has closed his port.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
            node.dht.handle_timeout(now);
            node.flush(socket);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Node> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn flush(&mut self, socket: &UdpSocket) {
        let mut datagram = Vec::new();
        while let Some(to) = self.dht.poll_transmit(&mut datagram) {
            // A datagram that cannot be sent is one that got lost.
            let _ = socket.send_to(&datagram, to as SocketAddr);
        }
        self.events
            .extend(std::iter::from_fn(|| self.dht.poll_event()));
    }
}

/// Until it is seen that all is over.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
