//! What must hold after every call.

use bt_types::{PieceIndex, Priority};

use super::Picker;
use crate::{
    availability::Stage,
    partial::Askers,
    peer::{Peer, Requests},
};

impl Picker {
    /// Panics unless all that is kept agrees with itself. For tests and fuzzing; takes time in
    /// proportion to the torrent.
    pub fn check_invariants(&self) {
        self.availability
            .check_invariants(self.peers.iter().map(|peer| &peer.pieces));
        let requests = |peer: &Peer| {
            let Requests { live, late, .. } = &peer.requests;
            let live: Vec<_> = live.iter().map(|request| request.block).collect();
            let late: Vec<_> = late.iter().map(|request| request.block).collect();
            (live, late)
        };
        let tables: Vec<_> = self.peers.iter().map(requests).collect();
        let askers = |block| Askers {
            live: tables
                .iter()
                .filter(|(live, _)| live.contains(&block))
                .count() as u8,
            late: tables
                .iter()
                .filter(|(_, late)| late.contains(&block))
                .count() as u16,
        };
        let workers = |id| {
            self.peers
                .iter()
                .filter(|peer| peer.current == Some(id))
                .count() as u32
        };
        self.partials
            .check_invariants(&self.layout, askers, workers);
        for (id, partial) in self.partials.iter() {
            assert_eq!(self.availability.stage(partial.piece()), Stage::Partial(id));
            if let Some(holder) = partial.reserved_for() {
                let at = self
                    .find(holder)
                    .expect("reserved for somebody who is there");
                let peer = &self.peers[at];
                assert!(!peer.is_choking && !peer.is_snubbed() && peer.offers(partial.piece()));
            }
        }
        let conns = self.places.conns();
        assert!(conns.is_sorted_by(|a, b| a < b));
        assert!(self.peers.iter().map(|peer| &peer.conn).eq(conns));
        for (peer, (live, late)) in self.peers.iter().zip(&tables) {
            let wanted = |piece: &PieceIndex| self.availability.stage(*piece) != Stage::Done;
            assert_eq!(
                peer.wanted as usize,
                peer.pieces.iter_ones().filter(wanted).count()
            );
            assert_eq!(peer.listed, self.availability.count_listed(&peer.pieces));
            assert!(!peer.is_choking || peer.current.is_none());
            assert!(peer.requests.live.len() <= self.config.max_pipeline as usize);
            assert!(live.iter().all(|block| peer.pieces.get(block.piece)));
            assert!(live.iter().all(|&block| {
                let id = self.partial_of(block);
                id.is_some_and(|id| !self.partials.get(id).is_reserved_from(peer.conn))
            }));
            let mut all: Vec<_> = live.iter().chain(late).collect();
            all.sort_unstable();
            assert!(all.is_sorted_by(|a, b| a < b), "never twice from one peer");
            for &&block in &all {
                assert!(!self.have.get(block.piece), "never what we have");
                assert!(self.partial_of(block).is_some());
                assert!(askers(block).live <= self.config.max_askers);
            }
            if let Some(timeout) = peer.next_timeout(&self.config) {
                assert!(self.next_timeout.is_some_and(|next| next <= timeout));
            }
            let times_ready = self.ready.iter().filter(|&&conn| conn == peer.conn).count();
            assert_eq!(times_ready, usize::from(peer.is_ready));
        }
        let unchoked = self.peers.iter().filter(|peer| !peer.is_choking).count();
        assert_eq!(unchoked, self.unchoked);
        let outstanding = self.peers.iter().map(|peer| peer.requests.outstanding());
        assert_eq!(outstanding.sum::<usize>(), self.outstanding);
        assert!(self.ready.iter().all(|&conn| self.find(conn).is_some()));
        for piece in self.layout.pieces() {
            let is_needed = !self.have.get(piece) && self.layout.data_length_of(piece) > 0;
            let is_wanted = self.availability.priority(piece) != Priority::Skip;
            match self.availability.stage(piece) {
                Stage::Listed => assert!(is_needed && is_wanted),
                // What has ceased to be wanted may await its verdict.
                Stage::Partial(id) => assert!(is_wanted || self.partials.get(id).missing() == 0),
                Stage::Done => assert!(!is_needed || !is_wanted, "{piece:?} is forgotten"),
            }
        }
        let left = self.layout.pieces().filter(|&piece| !self.have.get(piece));
        let left = left.map(|piece| u64::from(self.layout.data_length_of(piece)));
        assert_eq!(left.sum::<u64>(), self.bytes_left);
    }
}
