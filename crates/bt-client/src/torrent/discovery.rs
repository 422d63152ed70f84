//! How one torrent finds peers without trackers: in the DHT, on the local network, and by names that
//! its owner gives.

use std::time::Instant;

use bt_dht::Announce;
use bt_tracker::{Pace, Periodic};
use bt_types::SwarmId;

use crate::{
    dht::DhtHandle,
    lsd::LsdHandle,
    mail::{Mail, Mailbox},
    net,
    random::Seeds,
    tasks::AbortOnDrop,
    trackers::SeenAs,
};

/// When a torrent is announced in the DHT and on the local network (decided by `bt-tracker`), and by
/// whom that is done.
pub(crate) struct Discovery {
    swarm: SwarmId,
    /// Where we take peers.
    port: u16,
    dht: Option<(Periodic, DhtHandle)>,
    lsd: Option<(Periodic, LsdHandle)>,
    mailbox: Mailbox,
    /// Looks up the peers that are known by name.
    look_up: Option<AbortOnDrop>,
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
            look_up: None,
        }
    }

    /// Looks up peers that are known by host and port; they come by mail.
    pub(super) fn look_up(&mut self, names: Vec<(String, u16)>) {
        if names.is_empty() {
            return;
        }
        let mailbox = self.mailbox.clone();
        self.look_up = Some(AbortOnDrop::spawn(async move {
            for (host, port) in names {
                if let Ok(addresses) = net::resolve(&host, port).await {
                    // A torrent that has gone needs no answer.
                    let _ = mailbox.send(Mail::PeersNamed(addresses));
                }
            }
        }));
    }

    /// Begins, also by way of the nodes that the torrent names.
    pub(crate) fn start(&mut self, now: Instant, nodes: Vec<(String, u16)>) {
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

    /// The torrent has turned out to be private (BEP 27): nobody is told of it or asked any more.
    pub(super) fn make_private(&mut self) {
        if let Some((_, dht)) = self.dht.take() {
            dht.forget(self.swarm);
        }
        self.lsd = None;
    }

    pub(super) fn stop(&mut self) {
        self.look_up = None;
        self.schedules().for_each(Periodic::stop);
    }

    pub(super) fn want_peers(&mut self, now: Instant) {
        self.schedules()
            .for_each(|schedule| schedule.want_peers(now));
    }

    /// Makes the announces that are due.
    pub(crate) fn drain(&mut self, now: Instant, is_seed: bool) {
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

    /// A tracker has told our address. One of a private torrent tells the DHT nothing (BEP 27).
    pub(super) fn handle_seen_as(&self, vote: SeenAs) {
        if let Some((_, dht)) = &self.dht {
            dht.vote(vote);
        }
    }

    /// How many nodes our own knows; `None` if this torrent is not looked up in the DHT.
    pub(crate) fn dht_nodes(&self) -> Option<usize> {
        let (_, dht) = self.dht.as_ref()?;
        Some(dht.node_count())
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::{dht, lsd};

    const SWARM: SwarmId = SwarmId([7; 20]);

    fn discovery(dht: Option<DhtHandle>, lsd: Option<LsdHandle>) -> Discovery {
        let (mailbox, _) = mpsc::unbounded_channel();
        let mut seeds = Seeds::from_system().unwrap();
        Discovery::new(SWARM, 6881, dht, lsd, &mut seeds, mailbox)
    }

    #[test]
    fn both_are_told_at_the_start_and_no_more_often_than_they_should() {
        let ((node, mut announced), (lan, mut told)) =
            (dht::testing::handle(), lsd::testing::handle());
        let mut discovery = discovery(Some(node), Some(lan));
        let start = Instant::now();
        discovery.drain(start, false);
        assert_eq!(
            (announced().announced.len(), told().len()),
            (0, 0),
            "not before it is started"
        );
        discovery.start(start, Vec::new());
        let (mut in_dht, mut on_lan) = (Vec::new(), 0);
        for minute in 0..30 {
            let now = start + Duration::from_secs(minute * 60);
            discovery.want_peers(now);
            discovery.drain(now, false);
            in_dht.extend(announced().announced);
            on_lan += told().len();
            discovery.handle_dht_announced(now, 8);
        }
        assert!(in_dht.iter().all(|swarm| *swarm == SWARM));
        // After 1, 2, 4, 8 and 15 minutes, and a tenth; and after 1, 2, 4, 5, 5..
        assert_eq!((in_dht.len(), on_lan), (5, 7));
        discovery.stop();
        assert_eq!(discovery.poll_timeout(), None);
        assert_eq!(discovery.dht_nodes(), Some(3));
    }

    #[test]
    fn a_torrent_that_turns_out_to_be_private_takes_back_what_it_asked() {
        let ((node, mut asked), (lan, mut told)) = (dht::testing::handle(), lsd::testing::handle());
        let mut discovery = discovery(Some(node), Some(lan));
        let start = Instant::now();
        discovery.start(start, Vec::new());
        discovery.drain(start, false);
        let before = asked();
        assert_eq!((before.announced, before.forgotten), (vec![SWARM], vec![]));
        discovery.make_private();
        assert_eq!(asked().forgotten, [SWARM]);
        told();
        let later = start + Duration::from_secs(60 * 60);
        discovery.want_peers(later);
        discovery.drain(later, false);
        assert_eq!((asked().announced, told()), (vec![], vec![]));
        assert_eq!(discovery.dht_nodes(), None);
    }

    #[test]
    fn a_node_that_is_gone_is_tried_again_later() {
        let (node, announced) = dht::testing::handle();
        drop(announced);
        let mut discovery = discovery(Some(node), None);
        let start = Instant::now();
        discovery.start(start, Vec::new());
        discovery.drain(start, false);
        assert!(discovery.poll_timeout().is_some_and(|at| at > start));
    }

    #[test]
    fn where_there_is_neither_nothing_is_waited_for() {
        let mut discovery = discovery(None, None);
        let start = Instant::now();
        discovery.start(start, vec![("a.example".to_owned(), 1)]);
        discovery.drain(start, true);
        discovery.want_peers(start);
        assert_eq!(
            (discovery.poll_timeout(), discovery.dht_nodes()),
            (None, None)
        );
    }
}
