use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bt_types::{
    Bitfield, FileIndex, PartialPiece, PieceIndex, PieceLayout, ResumeState, TorrentIds, Totals,
};

use super::{
    Beside, Record, Stamp,
    journal::{Entry, FileStamp},
};
use crate::{Storage, part_file};

/// What is true by a record and the entries after it: the same whether they are read back or are
/// just being made.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) layout: Arc<PieceLayout>,
    ids: TorrentIds,
    pub(super) written: Bitfield,
    pub(super) synced: Bitfield,
    pub(super) partial: BTreeMap<PieceIndex, BTreeSet<u32>>,
    pub(super) totals: Totals,
    pub(super) files: Vec<Option<Stamp>>,
    pub(super) beside: Beside,
    /// Pieces of which bytes are being written.
    pub(super) begun: BTreeSet<PieceIndex>,
    /// Of those written the ones that are not synced, in the order in which they were written.
    /// In the place of one that was dropped since there is `None`: entries count places.
    unsynced: VecDeque<Option<PieceIndex>>,
    unsynced_bytes: u64,
    /// Files of which a sync has failed: pieces in them do not wait to be synced, since
    /// that would prove nothing.
    pub(super) not_synced: BTreeSet<FileIndex>,
}

impl Ledger {
    pub(super) fn new(record: Record, layout: Arc<PieceLayout>) -> Self {
        let Record {
            state,
            files,
            beside,
            not_synced,
            ..
        } = record;
        let partial = state.partial.into_iter();
        let mut ledger = Self {
            ids: state.ids,
            partial: partial
                .map(|partial| (partial.piece, partial.slots.into_iter().collect()))
                .collect(),
            totals: state.totals,
            files,
            beside,
            begun: BTreeSet::new(),
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            not_synced,
            layout,
            synced: state.synced,
            written: state.written,
        };
        let unsynced: Vec<_> = ledger.written.iter_not_in(&ledger.synced).collect();
        unsynced
            .into_iter()
            .for_each(|piece| ledger.push_unsynced(piece));
        ledger
    }

    /// As a record would have it.
    pub(super) fn state(&self) -> ResumeState {
        let partial = self.partial.iter().map(|(&piece, slots)| PartialPiece {
            piece,
            slots: slots.iter().copied().collect(),
        });
        ResumeState {
            ids: self.ids,
            written: self.written.clone(),
            synced: self.synced.clone(),
            partial: partial.collect(),
            totals: self.totals,
        }
    }

    /// Takes an entry; `false`, with nothing changed, if it speaks of what the torrent does not have.
    pub(super) fn apply(&mut self, entry: &Entry) -> bool {
        if !self.is_possible(entry) {
            return false;
        }
        match entry {
            Entry::Begun(pieces) => self.begun.extend(pieces),
            Entry::Written(pieces, stamps) => {
                for &piece in pieces {
                    self.begun.remove(&piece);
                    self.partial.remove(&piece);
                    self.note_slot(piece);
                    if self.written.insert(piece) {
                        self.push_unsynced(piece);
                    }
                }
                self.note(stamps);
            }
            Entry::Spilled(piece, slots, stamps) => {
                self.begun.remove(piece);
                self.note_slot(*piece);
                self.partial.entry(*piece).or_default().extend(slots);
                self.note(stamps);
            }
            Entry::Dropped(piece, stamps) => {
                self.begun.remove(piece);
                self.partial.remove(piece);
                if self.written.remove(*piece) && !self.synced.remove(*piece) {
                    self.drop_unsynced(*piece);
                }
                self.note(stamps);
            }
            Entry::Synced(count) => {
                for _ in 0..*count {
                    let Some(piece) = self.unsynced.pop_front() else {
                        break;
                    };
                    if let Some(piece) = piece {
                        self.unsynced_bytes -= u64::from(self.layout.data_length_of(piece));
                        self.synced.insert(piece);
                    }
                }
            }
            Entry::Moved(totals) => self.totals = *totals,
            Entry::Looked(stamps) => self.note(stamps),
            Entry::Selected(left_out, part_file) => {
                self.beside.left_out = left_out.iter().copied().collect();
                self.beside.stamp = *part_file;
                let pieces = std::mem::take(&mut self.beside.pieces).into_iter();
                self.beside.pieces = pieces.filter(|&piece| self.has_slot(piece)).collect();
            }
            Entry::NotSynced(files) => self.add_not_synced(files.iter().copied()),
        }
        true
    }

    /// Whether bytes of `piece` lie in a file that could not be synced.
    pub(super) fn is_in_not_synced(&self, piece: PieceIndex) -> bool {
        if self.not_synced.is_empty() {
            return false;
        }
        let is_beside = self.beside.pieces.contains(&piece);
        let length = self.layout.piece_length(piece);
        let mut slices = self.layout.slices(piece, 0, length);
        is_beside && self.not_synced.contains(&part_file::FILE)
            || slices.any(|slice| !slice.is_pad && self.not_synced.contains(&slice.file))
    }

    /// Whether anything of `piece` counts, or is being written.
    pub(super) fn speaks_of(&self, piece: PieceIndex) -> bool {
        self.begun.contains(&piece) || self.partial.contains_key(&piece) || self.written.get(piece)
    }

    /// The pieces that wait to be synced, those first that were written first; `None` for what is
    /// not to be synced any more.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = Option<PieceIndex>> + '_ {
        self.unsynced.iter().copied()
    }

    /// How many there are, and the files in which they lie.
    pub(super) fn waiting(&self, storage: &Storage) -> (u64, BTreeSet<FileIndex>) {
        let mut files = BTreeSet::new();
        for piece in self.unsynced().flatten() {
            self.add_files_of(piece, storage, &mut files);
        }
        (self.unsynced.len() as u64, files)
    }

    /// Adds the files, perhaps the part file, too, in which `piece` lies.
    pub(super) fn add_files_of(
        &self,
        piece: PieceIndex,
        storage: &Storage,
        files: &mut BTreeSet<FileIndex>,
    ) {
        files.extend(storage.files_of(piece));
        if self.beside.pieces.contains(&piece) {
            files.insert(part_file::FILE);
        }
    }

    /// Their bytes.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        self.unsynced_bytes
    }

    fn add_not_synced(&mut self, files: impl Iterator<Item = FileIndex>) {
        self.not_synced.extend(files);
        let waiting = self.unsynced().flatten();
        let lost: BTreeSet<_> = waiting
            .filter(|&piece| self.is_in_not_synced(piece))
            .collect();
        for place in &mut self.unsynced {
            if let Some(piece) = place.take_if(|piece| lost.contains(piece)) {
                self.unsynced_bytes -= u64::from(self.layout.data_length_of(piece));
            }
        }
        // What moves is to be on the medium at its new place, too.
        let moving: Vec<_> = self.begun.iter().copied().collect();
        for piece in moving {
            if self.is_in_not_synced(piece) {
                self.synced.remove(piece);
            }
        }
    }

    fn push_unsynced(&mut self, piece: PieceIndex) {
        if self.is_in_not_synced(piece) {
            return;
        }
        self.unsynced.push_back(Some(piece));
        self.unsynced_bytes += u64::from(self.layout.data_length_of(piece));
    }

    fn drop_unsynced(&mut self, piece: PieceIndex) {
        let mut places = self.unsynced.iter_mut();
        if let Some(place) = places.find(|place| **place == Some(piece)) {
            *place = None;
            self.unsynced_bytes -= u64::from(self.layout.data_length_of(piece));
        }
    }

    /// Entries may come in another order than the stamps in them were taken.
    fn note(&mut self, stamps: &[FileStamp]) {
        for &(file, stamp) in stamps {
            let known = match file {
                part_file::FILE => &mut self.beside.stamp,
                file => &mut self.files[file.0 as usize],
            };
            *known = Some(known.map_or(stamp, |known| known.later(stamp)));
        }
    }

    fn is_possible(&self, entry: &Entry) -> bool {
        let has_piece = |piece: &PieceIndex| piece.get() < self.layout.piece_count();
        let has_file = |file: &FileIndex| (file.0 as usize) < self.files.len();
        let has_files = |stamps: &[FileStamp]| {
            let exists = |(file, _): &FileStamp| has_file(file) || *file == part_file::FILE;
            stamps.iter().all(exists)
        };
        match entry {
            Entry::Begun(pieces) => pieces.iter().all(has_piece),
            Entry::Written(pieces, stamps) => pieces.iter().all(has_piece) && has_files(stamps),
            Entry::Spilled(piece, slots, stamps) => {
                let has_slot = |&slot: &u32| self.layout.block(*piece, slot).is_some();
                let has_slots = || !slots.is_empty() && slots.iter().all(has_slot);
                has_piece(piece) && !self.written.get(*piece) && has_slots() && has_files(stamps)
            }
            Entry::Dropped(piece, stamps) => has_piece(piece) && has_files(stamps),
            Entry::Synced(_) | Entry::Moved(_) => true,
            Entry::Looked(stamps) => has_files(stamps),
            Entry::Selected(left_out, _) => left_out.iter().all(has_file),
            Entry::NotSynced(files) => files
                .iter()
                .all(|file| has_file(file) || *file == part_file::FILE),
        }
    }

    /// `piece` has been written: to the part file, too, if some of it belongs to what is left out.
    fn note_slot(&mut self, piece: PieceIndex) {
        match self.has_slot(piece) {
            true => self.beside.pieces.insert(piece),
            false => self.beside.pieces.remove(&piece),
        };
    }

    /// Whether a piece that is written now gets a slot.
    pub(super) fn has_slot(&self, piece: PieceIndex) -> bool {
        let Beside { left_out, .. } = &self.beside;
        let length = self.layout.piece_length(piece);
        let mut slices = self.layout.slices(piece, 0, length);
        !left_out.is_empty() && slices.any(|slice| !slice.is_pad && left_out.contains(&slice.file))
    }
}
