//! How one torrent finds peers without trackers.

use std::time::Instant;

use bt_dht::Announce;
use bt_tracker::{Pace, Periodic};
use bt_types::SwarmId;

use crate::{dht::DhtHandle, lsd::LsdHandle, mail::Mailbox, random::Seeds};

/// When a torrent is announced in the DHT and on the local network (decided by `bt-tracker`), and by
/// whom that is done.
pub(crate) struct Discovery {
    swarm: SwarmId,
    /// Where we take peers.
    port: u16,
    dht: Option<(Periodic, DhtHandle)>,
    lsd: Option<(Periodic, LsdHandle)>,
    mailbox: Mailbox,
}

impl Discovery {
    pub(crate) fn new(
        swarm: SwarmId,
        port: u16,
        dht: Option<DhtHandle>,
        lsd: Option<LsdHandle>,
        seeds: &mut Seeds,
        mailbox: Mailbox,
    ) -> Self {
        let mut paced = |pace| Periodic::new(pace, seeds.draw());
        Self {
            swarm,
            port,
            dht: dht.map(|dht| (paced(Pace::DHT), dht)),
            lsd: lsd.map(|lsd| (paced(Pace::LSD), lsd)),
            mailbox,
        }
    }

    /// Begins, also by way of the nodes that the torrent names.
    pub(super) fn start(&mut self, now: Instant, nodes: Vec<(String, u16)>) {
        if let Some((schedule, dht)) = &mut self.dht {
            schedule.start(now);
            if !nodes.is_empty() {
                dht.add_hosts(nodes);
            }
        }
        if let Some((schedule, _)) = &mut self.lsd {
            schedule.start(now);
        }
    }

    pub(super) fn stop(&mut self) {
        self.schedules().for_each(Periodic::stop);
    }

    pub(super) fn want_peers(&mut self, now: Instant) {
        self.schedules()
            .for_each(|schedule| schedule.want_peers(now));
    }

    /// Makes the announces that are due.
    pub(super) fn drain(&mut self, now: Instant, is_seed: bool) {
        if let Some((schedule, dht)) = &mut self.dht
            && schedule.poll_announce(now)
        {
            let announce = Announce {
                port: self.port,
                implied_port: false,
                is_seed,
            };
            if !dht.announce(self.swarm, announce, &self.mailbox) {
                schedule.handle_outcome(now, false);
            }
        }
        if let Some((schedule, lsd)) = &mut self.lsd
            && schedule.poll_announce(now)
        {
            let is_heard = lsd.announce(self.swarm);
            schedule.handle_outcome(now, is_heard);
        }
    }

    /// An announce in the DHT is over; so many nodes have taken it.
    pub(super) fn handle_dht_announced(&mut self, now: Instant, nodes: usize) {
        if let Some((schedule, _)) = &mut self.dht {
            schedule.handle_outcome(now, nodes > 0);
        }
    }

    /// A peer says that a node of the DHT is there.
    pub(super) fn add_dht_node(&self, node: std::net::SocketAddr) {
        if let Some((_, dht)) = &self.dht {
            dht.add_candidate(node);
        }
    }

    /// How many nodes our own knows; `None` if this torrent is not looked up in the DHT.
    pub(super) fn dht_nodes(&self) -> Option<usize> {
        let (_, dht) = self.dht.as_ref()?;
        Some(dht.node_count())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let dht = self.dht.as_ref().map(|(schedule, _)| schedule);
        let lsd = self.lsd.as_ref().map(|(schedule, _)| schedule);
        let schedules = [dht, lsd].into_iter().flatten();
        schedules.filter_map(Periodic::poll_timeout).min()
    }

    fn schedules(&mut self) -> impl Iterator<Item = &mut Periodic> {
        let dht = self.dht.as_mut().map(|(schedule, _)| schedule);
        let lsd = self.lsd.as_mut().map(|(schedule, _)| schedule);
        [dht, lsd].into_iter().flatten()
    }
}
