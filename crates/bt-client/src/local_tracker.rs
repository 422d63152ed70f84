use std::{
    future, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bt_tracker_udp::{ServerConfig, SwarmStats, TrackerServer};
use bt_types::SwarmId;
use tokio::time::sleep_until;
use tracing::debug;

use crate::{SessionError, net::UdpSockets, random::Seeds, tasks::AbortOnDrop};

/// A UDP tracker on this machine: for demonstrations, local networks and tests. Dropping it ends
/// it.
pub struct LocalTracker {
    address: SocketAddr,
    server: Arc<Mutex<TrackerServer>>,
    _task: AbortOnDrop,
}

impl LocalTracker {
    /// Starts to answer at `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// If the address cannot be had, or the system has no randomness to give.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(address: SocketAddr, config: ServerConfig) -> Result<Self, SessionError> {
        let seed = Seeds::from_system().map_err(SessionError::Random)?.draw();
        let (sockets, address) = UdpSockets::bind(address).map_err(SessionError::Tracker)?;
        let server = Arc::new(Mutex::new(TrackerServer::new(config, seed)));
        let task = AbortOnDrop::spawn(serve(sockets, Arc::clone(&server)));
        Ok(Self {
            address,
            server,
            _task: task,
        })
    }

    /// What torrents name it by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("udp://{}", self.address)
    }

    /// What it knows of a swarm.
    #[must_use]
    pub fn stats(&self, swarm_id: SwarmId) -> SwarmStats {
        lock(&self.server).stats(swarm_id)
    }
}

async fn serve(sockets: UdpSockets, server: Arc<Mutex<TrackerServer>>) {
    let mut datagram = vec![0; MAX_DATAGRAM];
    let mut answer = Vec::new();
    loop {
        let deadline = lock(&server).poll_timeout();
        let timer = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => future::pending().await,
            }
        };
        let received: io::Result<(usize, SocketAddr)> = tokio::select! {
            received = sockets.recv_from(&mut datagram) => received,
            () = timer => {
                lock(&server).handle_timeout(Instant::now());
                continue;
            }
        };
        let sent = match received {
            Ok((len, from)) => {
                let now = Instant::now();
                let datagram = &datagram[..len];
                if !lock(&server).handle_datagram(now, from, datagram, &mut answer) {
                    continue;
                }
                sockets.send_to(&answer, from).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            // Mostly an ICMP message: somebody did not wait for the answer.
            debug!(%error, "tracker");
        }
    }
}

fn lock(server: &Mutex<TrackerServer>) -> MutexGuard<'_, TrackerServer> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest that UDP has.
const MAX_DATAGRAM: usize = 0x1_0000;
