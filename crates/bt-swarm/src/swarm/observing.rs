//! What limits the download, seen from here.

use std::time::Instant;

use bt_scheduler::Supply;
use bt_types::Payload;

use super::Swarm;
use crate::{Limit, Outside, diagnosis::Sample};

impl<P: Payload> Swarm<P> {
    /// Looks at how things are, and tells what has limited the download in the last seconds; `None`
    /// if the metadata is unknown, and does not come from peers. To be called a few times a second,
    /// once actions have been drained, with what is known outside. Changes nothing else.
    pub fn observe(&mut self, now: Instant, outside: Outside) -> Option<Limit> {
        let metadata = self.exchange.progress();
        let torrent = self.torrent.as_ref();
        if torrent.is_none() && metadata.is_none() {
            return None;
        }
        let idle = self.peers.idle();
        let unreachable = idle.filter(|(_, peer)| peer.failures() > 0).count();
        // Those whose turn would be now, had the rate not been used up.
        let waits = self.download.is_limited() && !self.asking.is_empty();
        let sample = Sample {
            at: now,
            is_complete: self.is_complete(),
            connected: self.sessions.len(),
            known: self.peers.len(),
            unreachable,
            dialling: self.dialler.len(),
            metadata: metadata.filter(|_| torrent.is_none()),
            supply: torrent.map_or_else(Supply::default, |torrent| torrent.picker.supply()),
            held_back: self.grant.rates.download.filter(|_| waits),
            is_starved: self.starved_at.is_some(),
            memory_bytes: self.grant.memory_bytes,
            disk_bytes: torrent.map_or(0, |torrent| torrent.assembly.disk_bytes()),
            disk_refuses: self.trouble.is_some(),
            downloaded: self
                .traffic
                .as_ref()
                .map_or(0, |traffic| traffic.downloaded),
            verified: torrent.map_or(0, |torrent| {
                torrent.layout.data_length() - torrent.picker.bytes_left()
            }),
            outside,
        };
        self.samples.push(sample);
        self.samples.diagnose()
    }
}
