//! Our own tracker machine on a socket: the one thing here that is not foreign, because no foreign
//! tracker lets a test wait for its interval.

use std::{
    io,
    net::{SocketAddrV4, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bt_tracker_udp::{ServerConfig, SwarmStats, TrackerServer};
use bt_types::SwarmId;

use crate::{
    foreign::Torrent,
    harness::{Case, Context, Outcome},
    tracker_client::url,
};

/// A tracker that wants to hear from everybody every [`INTERVAL`].
#[derive(Debug)]
pub(crate) struct OwnTracker {
    address: SocketAddrV4,
    server: Arc<Mutex<TrackerServer>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OwnTracker {
    pub(crate) fn start(case: &Case<'_>) -> Outcome<Self> {
        let address = case.address()?;
        let socket = UdpSocket::bind(address).context(format_args!("binding {address}"))?;
        socket
            .set_read_timeout(Some(LOOK_UP))
            .context("setting a time-out")?;
        let config = ServerConfig {
            interval: INTERVAL,
            ..ServerConfig::default()
        };
        let server = Arc::new(Mutex::new(TrackerServer::new(config, [7; 32])));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            move || serve(&socket, &server, &stop)
        });
        Ok(Self {
            address,
            server,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// What it has heard and knows of the torrent.
    pub(crate) fn stats(&self, torrent: &Torrent) -> Outcome<SwarmStats> {
        Ok(lock(&self.server).stats(SwarmId(torrent.swarm_id()?)))
    }
}

impl Drop for OwnTracker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, server: &Mutex<TrackerServer>, stop: &AtomicBool) {
    let (mut datagram, mut answer) = ([0; 2048], Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut datagram) {
            Ok((length, from)) => {
                let datagram = &datagram[..length];
                let now = Instant::now();
                if lock(server).handle_datagram(now, from, datagram, &mut answer) {
                    // Who has gone since needs no answer.
                    let _ = socket.send_to(&answer, from);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // An earlier answer was refused; the socket is as good as before.
            Err(_) => {}
        }
        let now = Instant::now();
        lock(server).handle_timeout(now);
    }
}

fn lock(server: &Mutex<TrackerServer>) -> MutexGuard<'_, TrackerServer> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

const INTERVAL: Duration = Duration::from_secs(2);

/// How often the thread looks up from its socket.
const LOOK_UP: Duration = Duration::from_millis(50);
