//! How things are, to be shown.

use std::time::Instant;

use bt_scheduler::Conduct;
use bt_types::{ConnId, Direction, Payload, PeerSource, PeerSources};

use super::Swarm;
use crate::{PeerInfo, Stats, WhyChoked, session::Session};

impl<P: Payload> Swarm<P> {
    /// The figures of this moment.
    #[must_use]
    pub fn stats(&self, now: Instant) -> Stats {
        let mut stats = Stats {
            wasted: self.wasted,
            metadata: self.exchange.progress(),
            peers_connected: self.sessions.len(),
            peers_known: self.peers.len(),
            sources: self.peers.counts(),
            dials_in_flight: self.dialler.len(),
            memory_bytes: self.memory_bytes(),
            ..Stats::default()
        };
        if let Some(traffic) = &self.traffic {
            stats.downloaded = traffic.downloaded;
            stats.uploaded = traffic.uploaded;
            stats.download_rate_bytes_per_sec = traffic.down.bytes_per_sec(now);
            stats.upload_rate_bytes_per_sec = traffic.up.bytes_per_sec(now);
        }
        if let Some(torrent) = &self.torrent {
            stats.pieces_verified = torrent.picker.have().count_ones();
            stats.piece_count = torrent.layout.piece_count();
            stats.bytes_total = torrent.layout.data_length();
            stats.bytes_verified = stats.bytes_total - torrent.picker.bytes_left();
            stats.bytes_missing = torrent.picker.bytes_missing();
            stats.wanted_bytes_total = torrent.wanted.bytes_total;
            stats.wanted_bytes_verified = torrent.wanted.bytes_verified;
            stats.progress_rate_bytes_per_sec = torrent.progress.bytes_per_sec(now);
            stats.copies = torrent.picker.copies();
        }
        stats
    }

    /// The connected peers.
    pub fn peers(&self, now: Instant) -> impl Iterator<Item = PeerInfo> + '_ {
        self.sessions
            .iter()
            .map(move |(&conn, session)| self.peer_info(now, conn, session))
    }

    fn peer_info(&self, now: Instant, conn: ConnId, session: &Session) -> PeerInfo {
        let picker = self.torrent.as_ref().map(|torrent| &torrent.picker);
        let source = picker.map(|picker| picker.peer_stats(now, conn));
        let source = source.unwrap_or_default();
        PeerInfo {
            conn,
            addr: session.addr,
            direction: session.direction,
            transport: session.transport,
            peer_id: session.peer_id,
            client_name: session.client_name.clone(),
            sources: self.sources_of(session),
            am_choking: session.am_choking(),
            why_choked: self.why_choked(now, conn, session),
            is_optimistic: self.choker.is_optimistic(conn),
            am_interested: session.am_interested,
            peer_choking: session.peer_choking,
            peer_interested: session.peer_interested,
            is_snubbed: source.is_snubbed && !session.peer_choking,
            is_upload_only: session.upload_only,
            pieces: picker.map_or(0, |picker| picker.peer_pieces(conn).count_ones()),
            piece_count: picker.map_or(0, |picker| picker.have().len()),
            downloaded: session.traffic.downloaded,
            uploaded: session.traffic.uploaded,
            download_rate_bytes_per_sec: session.traffic.down.bytes_per_sec(now),
            upload_rate_bytes_per_sec: session.traffic.up.bytes_per_sec(now),
            requests_outstanding: source.outstanding,
            round_trip: source.round_trip,
            connected_for: now.saturating_duration_since(session.connected_at),
            worth_bytes_per_sec: self.worth(now, conn, session),
        }
    }

    fn sources_of(&self, session: &Session) -> PeerSources {
        let named = session.listen_addr.map(|addr| self.peers.sources(addr));
        let mut sources = named.unwrap_or_default();
        if session.direction == Direction::Inbound {
            sources.insert(PeerSource::Incoming);
        }
        sources
    }

    fn why_choked(&self, now: Instant, conn: ConnId, session: &Session) -> Option<WhyChoked> {
        if !session.am_choking() {
            return None;
        }
        let holders = self.sessions.values();
        let holders = holders.filter(|peer| peer.peer_interested && !peer.am_choking());
        Some(if session.upload_only {
            WhyChoked::UploadOnly
        } else if !session.peer_interested {
            WhyChoked::NotInterested
        } else if self.choker.slots() == 0 {
            WhyChoked::NoSlots
        } else if holders.count() < self.choker.slots() {
            WhyChoked::NextRound
        } else {
            match self.conduct(conn, &self.evidence(now, conn, session)) {
                Conduct::Hoarding => WhyChoked::Hoarding,
                Conduct::Taking => WhyChoked::Taking,
                Conduct::Fair => WhyChoked::SlotsFull,
            }
        })
    }
}
