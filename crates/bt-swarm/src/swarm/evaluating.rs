//! What peers are worth to us, and from whom to part.

use std::{net::SocketAddr, time::Instant};

use bt_scheduler::Evidence;
use bt_types::{ConnId, Payload};

use super::Swarm;
use crate::{DisconnectReason, session::Session};

impl<P: Payload> Swarm<P> {
    /// What a peer has shown since it connected, and what is remembered of earlier times.
    pub(super) fn evidence(&self, now: Instant, conn: ConnId, session: &Session) -> Evidence {
        let known = session.listen_addr.map(|addr| self.peers.evidence(addr));
        let known = known.unwrap_or_default();
        let torrent = self.torrent.as_ref();
        let of_late = torrent.map(|torrent| torrent.picker.evidence(now, conn));
        let (download_rate, upload_rate) = session.mean_rates(now);
        Evidence {
            download_rate: Some(download_rate),
            upload_rate,
            taken: known.taken + session.traffic.lent,
            given: known.given + session.traffic.downloaded,
            failures: known.failures,
            ..of_late.unwrap_or_default()
        }
    }

    /// What to remember of a peer that goes: it may have had no time to send anything.
    pub(super) fn parting_evidence(
        &self,
        now: Instant,
        conn: ConnId,
        session: &Session,
    ) -> Evidence {
        let evidence = self.evidence(now, conn, session);
        let has_shown = session.traffic.downloaded > 0 || session.is_proven(now);
        Evidence {
            download_rate: evidence.download_rate.filter(|_| has_shown),
            ..evidence
        }
    }

    /// What a peer has shown, by what went to and fro in the last seconds.
    pub(super) fn evidence_of_late(
        &self,
        now: Instant,
        conn: ConnId,
        session: &Session,
    ) -> Evidence {
        Evidence {
            download_rate: Some(session.traffic.down.bytes_per_sec(now)),
            upload_rate: session.traffic.up.bytes_per_sec(now),
            ..self.evidence(now, conn, session)
        }
    }

    /// What the peer's place among our connections is worth, in bytes per second.
    pub(super) fn worth(&self, now: Instant, conn: ConnId, session: &Session) -> u64 {
        let evidence = self.evidence(now, conn, session);
        self.config.evaluator.evaluate(&evidence).worth()
    }

    /// The same of a peer that is not connected.
    pub(super) fn worth_of_address(&self, addr: SocketAddr) -> u64 {
        let evidence = self.peers.evidence(addr);
        self.config.evaluator.evaluate(&evidence).worth()
    }

    /// A piece has passed its hash or failed it: that speaks for those who had part in it, or
    /// against them, as far as they are still here.
    pub(super) fn judge_parts(&mut self, now: Instant, senders: &[SocketAddr], is_good: bool) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        for (&conn, session) in self.sessions.iter() {
            if senders.contains(&session.addr) {
                torrent.picker.judge_part(now, conn, is_good);
            }
        }
    }

    /// What these sent of a piece that failed has turned out to be right.
    pub(super) fn clear_parts(&mut self, now: Instant, senders: &[SocketAddr]) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        for (&conn, session) in self.sessions.iter() {
            if senders.contains(&session.addr) {
                torrent.picker.clear_part(now, conn);
            }
        }
    }

    /// Parts from whoever is worth least, if that is much less than `waiting`, which is what
    /// somebody who waits for the place is worth. Of those who are worth the same the pair goes
    /// that both sides would rather give up (BEP 40), or else whoever has been here for longest.
    pub(super) fn part_from_worst(
        &mut self,
        now: Instant,
        waiting: u64,
        may_go: impl Fn(&Session) -> bool,
    ) -> bool {
        let bar = waiting.div_ceil(MARGIN).max(1);
        let all = self.sessions.iter();
        let all = all.map(|(&conn, session)| (self.worth(now, conn, session), conn, session));
        let candidates = all.filter(|&(worth, conn, session)| {
            worth < bar && session.is_proven(now) && may_go(session) && !self.is_held_back(conn)
        });
        let worst = candidates.min_by_key(|(worth, _, session)| {
            (*worth, self.rank_of(session), session.connected_at)
        });
        let worst = worst.map(|(_, conn, _)| conn);
        if let Some(conn) = worst {
            self.disconnect(now, conn, DisconnectReason::Useless);
        }
        worst.is_some()
    }
}

/// A peer must be worth so many times less than another to be given up for it: what is measured
/// varies, and each change costs both sides the start of a connection.
const MARGIN: u64 = 16;
