//! The session's place in the multicast groups in which peers of one network search for each other
//! (BEP 14).

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_lsd::{Group, Lsd, MAX_DATAGRAM};
use bt_types::{PeerSource, SwarmId};
use tokio::sync::mpsc;
use tracing::{debug, trace};

use crate::{mail::Mail, net::GroupSocket, shared::Shared};

/// The way to the task that searches. Cheap to clone; when the last one is gone, the task ends.
#[derive(Clone)]
pub(crate) struct LsdHandle(mpsc::Sender<SwarmId>);

impl LsdHandle {
    /// Joins the groups; that there are none is no failure. `port` is where we take peers.
    pub(crate) fn start(
        shared: Arc<Shared>,
        bind: Option<IpAddr>,
        port: u16,
        seed: [u8; 8],
    ) -> Self {
        let (swarms, queue) = mpsc::channel(QUEUE);
        let groups = Groups {
            v4: join(Group::V4, bind),
            v6: join(Group::V6, bind),
        };
        let now = Instant::now();
        let driver = Driver {
            lsd: Lsd::new(now, port, seed),
            groups,
            look_again_at: now + LOOK_AGAIN,
            shared,
        };
        tokio::spawn(driver.run(queue));
        Self(swarms)
    }

    /// Whether the groups will hear that we are in a swarm.
    pub(crate) fn announce(&self, swarm: SwarmId) -> bool {
        self.0.try_send(swarm).is_ok()
    }
}

struct Driver {
    lsd: Lsd,
    groups: Groups,
    /// When it is looked whether interfaces have come.
    look_again_at: Instant,
    shared: Arc<Shared>,
}

struct Groups {
    v4: Option<GroupSocket>,
    v6: Option<GroupSocket>,
}

impl Driver {
    async fn run(mut self, mut queue: mpsc::Receiver<SwarmId>) {
        let (mut v4, mut v6) = ([0; BUFFER], [0; BUFFER]);
        let mut swarms = Vec::new();
        loop {
            let (received, buffer) = tokio::select! {
                received = receive(self.groups.v4.as_ref(), &mut v4) => (received, &v4),
                received = receive(self.groups.v6.as_ref(), &mut v6) => (received, &v6),
                count = queue.recv_many(&mut swarms, QUEUE) => {
                    if count == 0 {
                        return;
                    }
                    self.search(&swarms).await;
                    swarms.clear();
                    continue;
                }
            };
            match received {
                Ok((len, from)) => self.hear(from, &buffer[..len]),
                Err(error) => debug!(%error, "nothing heard of the local network"),
            }
        }
    }

    /// Tells both groups, as far as they can be told: a machine may have no route to them.
    async fn search(&mut self, swarms: &[SwarmId]) {
        let now = Instant::now();
        let looks_again = self.look_again_at <= now;
        if looks_again {
            self.look_again_at = now + LOOK_AGAIN;
        }
        let groups = [
            (Group::V4, self.groups.v4.as_mut()),
            (Group::V6, self.groups.v6.as_mut()),
        ];
        for (group, socket) in groups {
            let Some(socket) = socket else { continue };
            if looks_again {
                socket.look_again();
            }
            for search in self.lsd.searches(group, swarms) {
                if let Err(error) = socket.send(&search).await {
                    debug!(%group, %error, "the local network is not told");
                    break;
                }
            }
        }
    }

    fn hear(&mut self, from: std::net::SocketAddr, datagram: &[u8]) {
        let found = match self.lsd.handle_datagram(Instant::now(), from, datagram) {
            Ok(found) => found,
            Err(ignored) => return trace!(%from, %ignored),
        };
        for swarm in found.swarms() {
            // Of a private torrent the swarm itself takes no peers from here (BEP 27).
            if let Some((mailbox, _)) = self.shared.route(swarm) {
                // A torrent that is just ending needs nobody.
                let _ = mailbox.send(Mail::Found(PeerSource::Lsd, vec![found.peer]));
            }
        }
    }
}

fn join(group: Group, bind: Option<IpAddr>) -> Option<GroupSocket> {
    match GroupSocket::join(group.address(), bind) {
        Ok(socket) => Some(socket),
        Err(error) => {
            debug!(%group, %error, "group not joined");
            None
        }
    }
}

async fn receive(
    socket: Option<&GroupSocket>,
    buffer: &mut [u8],
) -> std::io::Result<(usize, std::net::SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

/// A thousand torrents announce themselves at times of their own.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Swarms that wait to be told of; torrents that find it full try again later.
const QUEUE: usize = 256;
/// One that fills it was too long.
const BUFFER: usize = MAX_DATAGRAM + 1;

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The way to a network that nobody is on, and the swarms that it was told of.
    pub(crate) fn handle() -> (LsdHandle, impl FnMut() -> Vec<SwarmId>) {
        let (swarms, mut queue) = mpsc::channel(QUEUE);
        let told = move || std::iter::from_fn(|| queue.try_recv().ok()).collect();
        (LsdHandle(swarms), told)
    }
}
