//! What torrents have in common: what we could use of it, and what we may.

use std::time::{Duration, Instant};

use bt_scheduler::{Demand, Grant, Need, RateLimits};
use bt_types::{BLOCK_LENGTH, ConnId, Payload};

use super::Swarm;
use crate::DisconnectReason;

impl<P: Payload> Swarm<P> {
    /// What this torrent uses, and what it could use: for whoever divides among several. Cheap
    /// enough for a few times a second.
    #[must_use]
    pub fn demand(&self, now: Instant) -> Demand {
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
                wanted: connected + dialling + dialable + self.callers_expected(now),
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
                    // Nothing is requested.
                    _ if self.trouble.is_some() => memory,
                    Some(_) => memory.max(self.grant.memory_bytes).saturating_mul(2),
                    None if memory == 0 => 0,
                    None => (memory + BLOCK_LENGTH as usize).next_power_of_two(),
                },
            },
            upload_rate: self.upload.wanted_bytes_per_sec(now),
            download_rate: self.download.wanted_bytes_per_sec(now),
        }
    }

    /// Peers that can be dialled before we are asked again. Not all that are known: most addresses
    /// answer nobody, and others must not part from good peers for them.
    fn dialable_soon(&self) -> usize {
        let is_useful = |is_seed| !(is_seed && self.is_complete());
        let idle = self.peers.idle();
        let dialable =
            idle.filter(|(_, peer)| peer.failures() == 0 && is_useful(peer.is_probably_seed()));
        dialable.take(2 * self.grant.max_half_open).count()
    }

    /// Room for peers that connect to us, if some have just found none.
    fn callers_expected(&self, now: Instant) -> usize {
        let recently = |at| now.saturating_duration_since(at) < CALLERS_REMEMBERED;
        match self.turned_away_at {
            Some(at) if recently(at) => ROOM_FOR_CALLERS,
            _ => 0,
        }
    }

    /// Changes what this torrent may use. Of connections too many, those go that are worth least,
    /// and among these those that both sides would rather give up (BEP 40).
    pub fn set_grant(&mut self, now: Instant, grant: Grant) {
        self.advance(now);
        let former = std::mem::replace(&mut self.grant, grant);
        if grant.rates != former.rates {
            self.set_limits(now, grant.rates);
        }
        let slots = upload_slots(&grant);
        if slots != upload_slots(&former) {
            self.choker.set_max_slots(slots);
            self.needs_rechoke = true;
        }
        // Rates change often, where torrents share them, and concern nothing else.
        let rates = grant.rates;
        if grant == (Grant { rates, ..former }) {
            return;
        }
        self.part_from_excess(now);
        self.spill_excess();
        self.starved_at = None;
        if let Some(torrent) = &mut self.torrent {
            torrent.picker.wake();
        }
        self.schedule_dialling();
    }

    /// How fast this torrent may upload and download now.
    ///
    /// What counts are the messages that carry blocks, with their headers: those that we send when
    /// they are read from disk, those that we receive when they are requested, or when they come if
    /// they are no longer waited for. Of what we send all other messages count, too, and go before
    /// blocks. Not counted are other messages that peers send, and what TCP and IP add.
    #[must_use]
    pub fn limits(&self) -> RateLimits {
        self.grant.rates
    }

    pub(super) fn set_limits(&mut self, now: Instant, limits: RateLimits) {
        self.recount_requests(now);
        let in_advance = limits.download.filter(|rate| {
            let soon = rate.get().saturating_mul(MOST_IN_ADVANCE_SECS);
            self.download.falls_to(limits.download) && self.requested_bytes() > soon
        });
        if let (Some(_), Some(torrent)) = (in_advance, &mut self.torrent) {
            torrent.picker.take_back(now);
            self.send_cancels();
        }
        self.counted_requests = self.outstanding_requests();
        let requested = self.requested_bytes();
        self.download.set_limit(now, limits.download, requested);
        self.upload
            .set_limit(now, limits.upload, self.served_bytes as u64);
    }

    fn requested_bytes(&self) -> u64 {
        self.outstanding_requests() as u64 * u64::from(BLOCK_LENGTH)
    }

    /// Whether it is for our limits, and not for the peer, that so little comes or goes.
    pub(super) fn is_held_back(&self, conn: ConnId) -> bool {
        (self.download.is_limited() && self.asking.contains(conn))
            || (self.upload.is_limited() && self.waiting.contains(conn))
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
                let of_late = self.evidence_of_late(now, conn, session);
                let of_late = self.config.evaluator.evaluate(&of_late).worth();
                let on_the_whole = self.worth(now, conn, session);
                ((of_late, on_the_whole), self.rank_of(session), conn)
            })
            .collect();
        by_worth.sort_unstable();
        for (_, _, conn) in by_worth.into_iter().take(excess) {
            self.disconnect(now, conn, DisconnectReason::NoRoom);
        }
    }
}

/// No more than the rate can serve: who is unchoked and waits too long for a block takes us for one
/// that does not answer, and leaves.
pub(super) fn upload_slots(grant: &Grant) -> usize {
    let served = grant
        .rates
        .upload
        .map(|rate| usize::try_from(rate.get() / LEAST_SLOT_RATE).unwrap_or(usize::MAX));
    served.map_or(grant.upload_slots, |served| {
        grant.upload_slots.min(served.max(1))
    })
}

/// Bytes per second for each unchoked peer: a block every four seconds. Others wait half a minute
/// at least before they give somebody up.
const LEAST_SLOT_RATE: u64 = 4096;
/// What has been requested when the rate falls may come for so long; the rest is taken back.
const MOST_IN_ADVANCE_SECS: u64 = 2;
/// What is added at a time for peers that connect to us, as long as they come.
const ROOM_FOR_CALLERS: usize = 4;
/// Whoever was turned away comes again after some seconds, if at all.
const CALLERS_REMEMBERED: Duration = Duration::from_secs(30);
