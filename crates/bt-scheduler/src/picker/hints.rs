//! What peers offer of their own accord (BEP 6): pieces that we may have although they choke us,
//! and pieces that they would like us to ask for.

use std::{cmp::Reverse, time::Instant};

use bt_types::{Block, ConnId, PieceIndex};

use super::Picker;
use crate::availability::{Preference, Stage};

impl Picker {
    /// The peer will answer requests for `piece` even while it chokes us (BEP 6, "Allowed Fast").
    /// That does not say that it has the piece.
    ///
    /// Such a piece is asked for, a few blocks at a time, while the peer chokes us; until it rejects
    /// one or does not answer in time. The first 32 pieces of a peer are remembered.
    pub fn peer_allows(&mut self, conn: ConnId, piece: PieceIndex) {
        let Some(at) = self.find(conn) else {
            return;
        };
        let is_done = self.availability.stage(piece) == Stage::Done;
        if !is_done && self.peers[at].allow(piece) {
            self.set_ready(at);
        }
    }

    /// The peer would like us to ask it for `piece` (BEP 6, "Suggest Piece"): it is begun before
    /// others that are as rare, and never before rarer ones. The last 8 of a peer are remembered.
    pub fn peer_suggests(&mut self, conn: ConnId, piece: PieceIndex) {
        if let Some(at) = self.find(conn) {
            self.peers[at].suggest(piece);
        }
    }

    /// Asks a peer that chokes us for what it allows all the same, until it has `room` requests
    /// more.
    pub(super) fn pick_allowed(
        &mut self,
        now: Instant,
        at: usize,
        room: usize,
        out: &mut Vec<Block>,
    ) {
        let availability = &self.availability;
        let is_wanted = |piece: &PieceIndex| availability.stage(*piece) != Stage::Done;
        self.peers[at].allowed.retain(is_wanted);
        if self.peers[at].is_snubbed() {
            return;
        }
        let had_live = !self.peers[at].requests.live.is_empty();
        let first = out.len();
        while out.len() - first < room {
            let Some((id, slot)) = self.allowed_block(at) else {
                break;
            };
            out.push(self.request(now, at, id, slot, false));
            self.peers[at].requests.note_favour();
        }
        if !had_live && out.len() > first {
            self.arm(at);
        }
    }

    /// A free block of a piece that the peer allows: of one that is begun, else of the rarest of the
    /// highest priority.
    fn allowed_block(&mut self, at: usize) -> Option<(u32, u32)> {
        let peer = &self.peers[at];
        let offered = peer.allowed.iter().filter(|&&piece| peer.offers(piece));
        let stages = offered.map(|&piece| (piece, self.availability.stage(piece)));
        let begun = stages.clone().find_map(|(_, stage)| match stage {
            Stage::Partial(id) if self.suits(id, at) => Some(id),
            _ => None,
        });
        let may_begin = self.partials.open().len() < self.partial_limit() + BEGUN_WHILE_CHOKED;
        let listed = stages.filter(|(_, stage)| may_begin && *stage == Stage::Listed);
        let id = match begun {
            Some(id) => id,
            None => {
                let rank = |piece| {
                    let priority = Reverse(self.availability.priority(piece));
                    match self.is_in_order {
                        true => (priority, piece.get()),
                        false => (priority, self.availability.of(piece).into()),
                    }
                };
                let (first, _) = listed.min_by_key(|&(piece, _)| rank(piece))?;
                self.begin_piece(first)
            }
        };
        self.free_slot(id, at).map(|slot| (id, slot))
    }

    fn suits(&self, id: u32, at: usize) -> bool {
        self.partials.get(id).free() > 0 && self.may_serve(id, at) && self.has_unasked(id, at)
    }

    /// The piece to begin where `chosen` would be: one that the peer has suggested, if that is no
    /// commoner, and wanted no less. Where any piece will do, any suggestion will.
    pub(super) fn or_suggested(
        &mut self,
        at: usize,
        chosen: PieceIndex,
        preference: Preference,
    ) -> PieceIndex {
        let rarity = match preference {
            Preference::Rarest => self.availability.of(chosen),
            Preference::Random => u16::MAX,
            Preference::Commonest | Preference::First => return chosen,
        };
        let availability = &self.availability;
        let priority = availability.priority(chosen);
        let is_as_good = |peer: &crate::peer::Peer, piece| {
            let is_listed = availability.is_listed(piece);
            let is_wanted_as_much = is_listed && availability.priority(piece) >= priority;
            is_wanted_as_much && peer.offers(piece) && availability.of(piece) <= rarity
        };
        self.peers[at].take_suggestion(is_as_good).unwrap_or(chosen)
    }
}

/// Incomplete pieces beyond what the peers that serve us need: a set of BEP 6's size is begun even
/// if nobody does.
const BEGUN_WHILE_CHOKED: usize = 10;
