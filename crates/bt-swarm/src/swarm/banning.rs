//! Pieces that fail their hash: who is to blame, and how the next try is made.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Instant};

use bt_types::{BLOCK_LENGTH, Block, Payload, PieceIndex};

use super::Swarm;
use crate::{
    BanList, BanReason, DisconnectReason, Event,
    bans::is_same_culprit,
    suspects::{BlockDigest, Exhibit},
};

impl<P: Payload> Swarm<P> {
    /// Takes the bans that all torrents of a session have found out together, in place of those
    /// that it was given before; what this torrent has found out itself counts beside them. To be
    /// called when there is a new one. Parts from the banned.
    pub fn set_bans(&mut self, now: Instant, bans: Arc<BanList>) {
        self.advance(now);
        self.peers.set_shared_bans(bans);
        self.part_from_banned(now, &DisconnectReason::Banned);
    }

    pub(super) fn piece_corrupt(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        block_digests: &[(u32, BlockDigest)],
    ) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        if torrent.assembly.is_doubtful(piece) {
            return self.fetch_again(piece);
        }
        let senders = torrent.assembly.remove(piece);
        torrent.picker.piece_failed(piece);
        self.wasted.failed_hash += u64::from(torrent.layout.data_length_of(piece));
        let mut contributors = senders.peers().to_vec();
        contributors.sort_unstable();
        self.judge_parts(now, &contributors, false);
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        self.events.push_back(Event::PieceFailed {
            piece,
            contributors: contributors.clone(),
        });
        let culprit = only_culprit(&contributors);
        if let Some(culprit) = culprit.filter(|_| !senders.has_unknown()) {
            return self.ban(now, culprit, BanReason::WholePiece(piece));
        }
        let senders: BTreeMap<_, _> = senders.blocks().collect();
        let exhibits = block_digests.iter().filter_map(|&(begin, digest)| {
            let from = *senders.get(&begin)?;
            Some(Exhibit {
                begin,
                digest,
                from,
            })
        });
        let two_versions = torrent.suspects.piece_failed(now, piece, exhibits);
        self.ban_senders(now, piece, &two_versions, BanReason::TwoVersions);
        self.ask_one_alone(now, piece);
    }

    /// A piece has passed: bans those who had sent something else for a block of it.
    pub(super) fn ban_liars(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        right: &[(u32, BlockDigest)],
    ) {
        let torrent = self.torrent.as_mut();
        if let Some(torrent) = torrent.filter(|torrent| torrent.suspects.has_case(piece)) {
            let verdict = torrent.suspects.piece_passed(now, piece, right);
            self.clear_parts(now, &verdict.cleared);
            self.ban_senders(now, piece, &verdict.wrong, BanReason::WrongBlock);
        }
    }

    fn ban_senders(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        exhibits: &[Exhibit],
        reason: impl Fn(Block) -> BanReason,
    ) {
        for exhibit in exhibits {
            let layout = self.torrent.as_ref().map(|torrent| &torrent.layout);
            let block = layout.and_then(|layout| layout.block(piece, exhibit.begin / BLOCK_LENGTH));
            if let Some(block) = block {
                self.ban(now, exhibit.from, reason(block));
            }
        }
    }

    pub(super) fn ban(&mut self, now: Instant, culprit: SocketAddr, reason: BanReason) {
        if self.peers.ban(culprit) {
            let is_hybrid = self.ids.v1().is_some() && self.ids.v2().is_some();
            self.events.push_back(Event::PeerBanned {
                peer: culprit,
                reason,
                concerns_others: !is_hybrid,
            });
            self.part_from_banned(now, &DisconnectReason::BadData(reason));
        }
    }

    fn part_from_banned(&mut self, now: Instant, reason: &DisconnectReason) {
        for conn in self.conns() {
            if self.peers.is_banned(self.sessions[&conn].addr) {
                self.disconnect(now, conn, reason.clone());
            }
        }
    }

    /// Has a piece that failed come from one peer alone, so that the next try either gives the
    /// piece, and with it all who lied before, or names a liar: one bad peer among good ones never
    /// stops a download. From the one who is quickest, with what it has been left alone with
    /// already; but rather from one under no suspicion, unless that takes long.
    fn ask_one_alone(&mut self, now: Instant, piece: PieceIndex) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let evaluator = self.config.evaluator;
        let suspects = torrent.suspects.peers();
        let length = u64::from(torrent.layout.piece_length(piece));
        let able = self.sessions.iter().filter(|(_, peer)| !peer.peer_choking);
        let mut candidates: Vec<_> = able
            .map(|(&conn, session)| {
                let known = torrent.picker.evidence(now, conn);
                let rate = evaluator.evaluate(&known).goodput().max(1);
                let pieces = 1 + torrent.picker.reserved_pieces(conn) as u64;
                let seconds = length * pieces / rate;
                let is_suspect = suspects.contains(&session.addr);
                ((seconds > LONG_TRY_SECS, is_suspect, seconds), conn)
            })
            .collect();
        candidates.sort_unstable();
        // If none of them can be asked now, the next failure is another chance.
        let _ = candidates
            .iter()
            .any(|&(_, conn)| torrent.picker.reserve(now, piece, conn));
    }
}

/// The one to whom all of these addresses belong, as far as bans go.
fn only_culprit(contributors: &[SocketAddr]) -> Option<SocketAddr> {
    let (&first, rest) = contributors.split_first()?;
    let is_one = rest.iter().all(|&other| is_same_culprit(first, other));
    is_one.then_some(first)
}

/// A piece that the end of a download may have to wait for.
const LONG_TRY_SECS: u64 = 20;
