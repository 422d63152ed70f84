//! What torrents have in common: what we could use of it, and what we may.

use std::time::Instant;

use bt_scheduler::{Demand, Grant, Need};
use bt_types::{BLOCK_LENGTH, ConnId, Payload};

use super::Swarm;
use crate::DisconnectReason;

impl<P: Payload> Swarm<P> {
    /// What this torrent uses, and what it could use: for whoever divides among several. Cheap
    /// enough for a few times a second.
    #[must_use]
    pub fn demand(&self) -> Demand {
        if self.is_stopped {
            return Demand::default();
        }
        let dialling = self.dialler.len();
        let connected = self.sessions.len();
        let is_useful = |is_seed| !(is_seed && self.is_complete());
        let dialable = self.peers.idle();
        let dialable = dialable
            .filter(|(_, peer)| peer.failures == 0 && is_useful(peer.is_seed))
            .count();
        let interested = self.sessions.values().filter(|peer| peer.peer_interested);
        let unchoked = self.sessions.values().filter(|peer| !peer.am_choking());
        let memory = self.memory_bytes();
        Demand {
            peers: Need {
                used: connected + dialling,
                wanted: connected + dialling + dialable + ROOM_FOR_CALLERS,
            },
            half_open: Need {
                used: dialling,
                wanted: dialling + dialable,
            },
            upload_slots: Need {
                used: unchoked.count(),
                wanted: interested.count(),
            },
            memory_bytes: Need {
                used: memory,
                // A pipeline doubles with each round trip at most. In such steps, too, so that
                // what is wanted does not change with every block.
                wanted: match self.starved_at {
                    Some(_) => memory.max(self.grant.memory_bytes).saturating_mul(2),
                    None => (memory + BLOCK_LENGTH as usize).next_power_of_two(),
                },
            },
        }
    }

    /// Changes what this torrent may use. Of connections too many, those go that carry least.
    pub fn set_grant(&mut self, now: Instant, grant: Grant) {
        self.advance(now);
        if grant == self.grant {
            return;
        }
        if grant.upload_slots != self.grant.upload_slots {
            self.choker.set_slots(grant.upload_slots);
            self.needs_rechoke = true;
        }
        self.grant = grant;
        self.part_from_excess(now);
        self.spill_excess();
        self.starved_at = None;
        if let Some(torrent) = &mut self.torrent {
            torrent.picker.wake();
        }
        self.schedule_dialling();
    }

    fn part_from_excess(&mut self, now: Instant) {
        let excess = self.sessions.len().saturating_sub(self.grant.max_peers);
        if excess == 0 {
            return;
        }
        let mut by_worth: Vec<(_, ConnId)> = self
            .sessions
            .iter()
            .map(|(&conn, session)| {
                let traffic = &session.traffic;
                let rate = traffic.down.bytes_per_sec(now) + traffic.up.bytes_per_sec(now);
                let total = traffic.downloaded + traffic.uploaded;
                ((rate, total), conn)
            })
            .collect();
        by_worth.sort_unstable();
        for (_, conn) in by_worth.into_iter().take(excess) {
            self.disconnect(now, conn, DisconnectReason::NoRoom);
        }
    }
}

/// Peers that connect to us can only show that there is demand if some are let in.
const ROOM_FOR_CALLERS: usize = 4;
