//! What of the torrent is wanted, and what that changes.

use std::{sync::Arc, time::Instant};

use bt_scheduler::Picker;
use bt_types::{BLOCK_LENGTH, Bitfield, Payload, PieceIndex, PieceLayout, Selection};

use super::Swarm;

/// How much is wanted, and there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) bytes_verified: u64,
    pub(super) bytes_total: u64,
}

impl Wanted {
    pub(super) fn of(selection: &Selection, layout: &PieceLayout, have: &Bitfield) -> Self {
        let (bytes_verified, bytes_total) = selection.bytes(layout, have);
        Self {
            bytes_verified,
            bytes_total,
        }
    }
}

impl<P: Payload> Swarm<P> {
    /// Changes which files are wanted, and what of them comes first; at first everything is, in any
    /// order. Before the metadata is known, it is remembered for then.
    ///
    /// Requests for what is not wanted any more are cancelled, interest is told anew, and whether
    /// there is anything left to download may change: [`Completed`](crate::Event::Completed) if not.
    /// What is verified stays so, is served, and does not count as missing when it is wanted again.
    pub fn set_selection(&mut self, now: Instant, selection: Arc<Selection>) {
        self.advance(now);
        self.selection = selection;
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let was_complete = torrent.picker.is_complete();
        let layout = &torrent.layout;
        for piece in apply(&self.selection, layout, now, &mut torrent.picker) {
            let senders = torrent.assembly.remove(piece);
            let block = |(begin, _)| layout.block(piece, begin / BLOCK_LENGTH);
            let blocks = senders.blocks().filter_map(block);
            self.wasted.unwanted += blocks.map(|block| u64::from(block.length)).sum::<u64>();
            if let Some(trouble) = &mut self.trouble {
                trouble.writes.take_where(|waiting| waiting == piece);
            }
        }
        torrent.wanted = Wanted::of(&self.selection, &torrent.layout, torrent.picker.have());
        let is_complete = torrent.picker.is_complete();
        self.send_cancels();
        for conn in self.conns() {
            self.update_interest(conn);
        }
        match (was_complete, is_complete) {
            (false, true) => self.completed(now),
            (true, false) => {
                self.end_disguise();
                self.tell_upload_only();
                // Those who have everything are of use again.
                self.schedule_dialling();
            }
            _ => {}
        }
        self.needs_rechoke = true;
    }

    /// What is wanted.
    #[must_use]
    pub fn selection(&self) -> &Arc<Selection> {
        &self.selection
    }
}

/// Tells the picker; returns the pieces of which what has come is of no use.
pub(super) fn apply(
    selection: &Selection,
    layout: &PieceLayout,
    now: Instant,
    picker: &mut Picker,
) -> Vec<PieceIndex> {
    picker.set_in_order(selection.in_order);
    picker.set_priorities(now, &selection.pieces(layout))
}
