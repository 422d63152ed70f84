//! What limits the download, seen from here.

use std::time::Instant;

use bt_types::Payload;

use super::Swarm;
use crate::{Limit, Outside, diagnosis::Sample};

impl<P: Payload> Swarm<P> {
    /// Looks at how things are, and tells what has limited the download in the last seconds; `None`
    /// while the metadata is unknown. To be called a few times a second, once actions have been
    /// drained, with what is known outside. Changes nothing else.
    pub fn observe(&mut self, now: Instant, outside: Outside) -> Option<Limit> {
        let torrent = self.torrent.as_ref()?;
        let idle = self.peers.idle();
        let unreachable = idle.filter(|(_, peer)| peer.failures() > 0).count();
        // Those whose turn would be now, had the rate not been used up.
        let waits = self.download.is_limited() && !self.asking.is_empty();
        let sample = Sample {
            at: now,
            is_complete: torrent.picker.is_complete(),
            connected: self.sessions.len(),
            known: self.peers.len(),
            unreachable,
            dialling: self.dialler.len(),
            supply: torrent.picker.supply(),
            held_back: self.grant.rates.download.filter(|_| waits),
            is_starved: self.starved_at.is_some(),
            memory_bytes: self.grant.memory_bytes,
            disk_bytes: torrent.assembly.disk_bytes(),
            disk_refuses: self.trouble.is_some(),
            downloaded: self
                .traffic
                .as_ref()
                .map_or(0, |traffic| traffic.downloaded),
            verified: torrent.layout.data_length() - torrent.picker.bytes_left(),
            outside,
        };
        self.samples.push(sample);
        self.samples.diagnose()
    }
}
