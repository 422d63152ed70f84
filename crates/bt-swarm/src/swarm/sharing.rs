//! What torrents have in common: what we could use of it, and what we may.

use std::time::{Duration, Instant};

use bt_scheduler::{Demand, Grant, Need};
use bt_types::{BLOCK_LENGTH, ConnId, Payload};

use super::Swarm;
use crate::DisconnectReason;

impl<P: Payload> Swarm<P> {
    /// What this torrent uses, and what it could use: for whoever divides among several. Cheap
    /// enough for a few times a second.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let memory = self.memory_bytes();
        if self.is_stopped {
            // What the disk is still writing is given back when it is done.
            let memory_bytes = Need {
                used: memory,
                wanted: 0,
            };
            return Demand {
                memory_bytes,
                ..Demand::default()
            };
        }
        let (connected, dialling) = (self.sessions.len(), self.dialler.len());
        let dialable = self.dialable_soon();
        let interested = self.sessions.values().filter(|peer| peer.peer_interested);
        let unchoked = self.sessions.values().filter(|peer| !peer.am_choking());
        Demand {
            peers: Need {
                used: connected + dialling,
                wanted: connected + dialling + dialable + self.callers_expected(),
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
                    None if memory == 0 => 0,
                    None => (memory + BLOCK_LENGTH as usize).next_power_of_two(),
                },
            },
        }
    }

    /// Peers that can be dialled before we are asked again. Not all that are known: most addresses
    /// answer nobody, and others must not part from good peers for them.
    fn dialable_soon(&self) -> usize {
        let is_useful = |is_seed| !(is_seed && self.is_complete());
        let idle = self.peers.idle();
        let dialable = idle.filter(|(_, peer)| peer.failures == 0 && is_useful(peer.is_seed));
        dialable.take(2 * self.grant.max_half_open).count()
    }

    /// Room for peers that connect to us, if some have just found none.
    fn callers_expected(&self) -> usize {
        let recently = |at| {
            self.now
                .is_some_and(|now| now.saturating_duration_since(at) < CALLERS_REMEMBERED)
        };
        match self.turned_away_at {
            Some(at) if recently(at) => ROOM_FOR_CALLERS,
            _ => 0,
        }
    }

    /// Changes what this torrent may use. Of connections too many, those go that carry least,
    /// and among these those that both sides would rather give up (BEP 40).
    pub fn set_grant(&mut self, now: Instant, grant: Grant) {
        self.advance(now);
        if grant == self.grant {
            return;
        }
        if grant.upload_slots != self.grant.upload_slots {
            self.choker.set_max_slots(grant.upload_slots);
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
        let mut by_worth: Vec<(_, _, ConnId)> = self
            .sessions
            .iter()
            .map(|(&conn, session)| {
                let traffic = &session.traffic;
                let rate = traffic.down.bytes_per_sec(now) + traffic.up.bytes_per_sec(now);
                let total = traffic.downloaded + traffic.uploaded;
                ((rate, total), self.rank_of(session), conn)
            })
            .collect();
        by_worth.sort_unstable();
        for (_, _, conn) in by_worth.into_iter().take(excess) {
            self.disconnect(now, conn, DisconnectReason::NoRoom);
        }
    }
}

/// What is added at a time for peers that connect to us, as long as they come.
const ROOM_FOR_CALLERS: usize = 4;
/// Whoever was turned away comes again after some seconds, if at all.
const CALLERS_REMEMBERED: Duration = Duration::from_secs(30);
