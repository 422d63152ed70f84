//! What of a record still holds.

use std::collections::BTreeSet;

use bt_types::{Bitfield, FileIndex, PartialPiece, PieceIndex, PieceLayout, Totals};

use super::{FileTime, RecordError, Stamp, ledger::Ledger};

/// What to believe and what to hash when a torrent starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Start {
    /// The pieces that are on disk, as far as can be told without reading them.
    pub trusted: Bitfield,
    /// The pieces that may be, and must be hashed to know; none that is in `trusted`.
    pub doubtful: Bitfield,
    /// Pieces of which some blocks are on disk, unverified; none that is in the other two.
    pub partial: Vec<PartialPiece>,
    /// Payload moved in all runs before.
    pub totals: Totals,
    /// How this came about, for the log.
    pub belief: Belief,
    /// Of `trusted`, those known to be on the medium.
    pub(super) synced: Bitfield,
    /// How the files look now.
    pub(super) files: Vec<Option<Stamp>>,
    /// And the part file.
    pub(super) part_file: Option<Stamp>,
    /// Files of which a sync has failed since the machine was started.
    pub(super) not_synced: BTreeSet<FileIndex>,
}

/// How far a record was believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Belief {
    /// There is none.
    NoRecord,
    /// It was not asked, because everything is to be hashed.
    Recheck,
    /// There is one that cannot be believed at all.
    Refused(RecordError),
    /// All of it but for what others have changed: the last run ended well, or was killed.
    AllWritten,
    /// Only what was synced: the machine has been off since, and the last run had not ended well or
    /// had not synced all.
    OnlySynced,
}

/// What was going on when the record was left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// The machine has not been off since.
    pub(super) same_boot: bool,
    /// It is known to have been: what a file has now is what the medium has.
    pub(super) is_other_boot: bool,
    /// Something may have been written that nobody has noted.
    pub(super) is_clean: bool,
    /// When the journal was written to last.
    pub(super) journal_modified: Option<FileTime>,
}

/// What lies on disk now.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) files: Vec<Option<Stamp>>,
    pub(super) part_file: Option<Stamp>,
    /// The pieces that have a slot there, as the ledger says, too.
    pub(super) slots: BTreeSet<PieceIndex>,
}

/// What has become of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Nothing.
    Same,
    /// What we were doing when we ended explains how it looks now.
    Ours,
    /// Somebody else has changed it, or may have.
    Changed,
    /// It is not there any more.
    Gone,
}

impl Start {
    /// Nothing is known: hash everything.
    pub(super) fn in_doubt(
        layout: &PieceLayout,
        files: Vec<Option<Stamp>>,
        part_file: Option<Stamp>,
        totals: Totals,
        belief: Belief,
    ) -> Self {
        let nothing = Bitfield::new(layout.piece_count());
        Self {
            trusted: nothing.clone(),
            doubtful: Bitfield::full(layout.piece_count()),
            partial: Vec::new(),
            totals,
            belief,
            synced: nothing,
            files,
            part_file,
            not_synced: BTreeSet::new(),
        }
    }

    /// Holds what the ledger says against how the files look now.
    pub(super) fn judge(mut ledger: Ledger, found: Found, situation: Situation) -> Self {
        let Found {
            files,
            part_file,
            slots,
        } = found;
        let layout = std::sync::Arc::clone(&ledger.layout);
        let judge = Judge {
            layout: &layout,
            ledger: &ledger,
            situation,
        };
        let fates = judge.fates(&files);
        let fate_beside = judge.fate_beside(part_file);

        let is_synced = ledger.written == ledger.synced && ledger.begun.is_empty();
        let all_hold = situation.same_boot || is_synced;
        let (mut trusted, mut doubtful) = if situation.same_boot {
            let mut doubtful = Bitfield::new(layout.piece_count());
            for &piece in &ledger.begun {
                doubtful.insert(piece);
            }
            (ledger.written.clone(), doubtful)
        } else {
            let mut doubtful = Bitfield::new(layout.piece_count());
            let written = ledger.written.iter_not_in(&ledger.synced);
            for piece in written.chain(ledger.begun.iter().copied()) {
                doubtful.insert(piece);
            }
            // A clean end has synced the others.
            let mut partial = std::mem::take(&mut ledger.partial);
            partial.retain(|&piece, _| situation.is_clean && !ledger.is_in_not_synced(piece));
            ledger.partial = partial;
            (ledger.synced.clone(), doubtful)
        };
        for (index, &fate) in (0..).zip(&fates) {
            let file = FileIndex(index);
            if fate == Fate::Same {
                continue;
            }
            let length = files[index as usize].map_or(0, |stamp| stamp.length);
            for piece in layout.pieces_of(file) {
                let is_certain = match fate {
                    Fate::Changed => false,
                    _ => end_in(&layout, file, piece) <= length,
                };
                if is_certain {
                    continue;
                }
                // Others may have brought any piece, we none that we do not know of.
                if fate == Fate::Changed || trusted.get(piece) {
                    doubtful.insert(piece);
                }
                ledger.partial.remove(&piece);
            }
        }
        for &piece in &ledger.beside.pieces {
            let is_certain = fate_beside != Fate::Changed && slots.contains(&piece);
            if is_certain {
                continue;
            }
            if fate_beside == Fate::Changed || trusted.get(piece) {
                doubtful.insert(piece);
            }
            ledger.partial.remove(&piece);
        }
        for piece in doubtful.iter_ones() {
            trusted.remove(piece);
        }
        let mut partial = ledger.state().partial;
        partial.retain(|partial| !trusted.get(partial.piece) && !doubtful.get(partial.piece));
        let mut synced = ledger.synced;
        for piece in doubtful.iter_ones() {
            synced.remove(piece);
        }
        Self {
            trusted,
            doubtful,
            partial,
            totals: ledger.totals,
            belief: match all_hold {
                true => Belief::AllWritten,
                false => Belief::OnlySynced,
            },
            synced,
            files,
            part_file,
            not_synced: match situation.is_other_boot {
                true => BTreeSet::new(),
                false => ledger.not_synced,
            },
        }
    }
}

struct Judge<'a> {
    layout: &'a PieceLayout,
    ledger: &'a Ledger,
    situation: Situation,
}

impl Judge<'_> {
    fn fates(&self, found: &[Option<Stamp>]) -> Vec<Fate> {
        let files = self.ledger.files.iter().zip(found).zip(0..);
        files
            .map(|((noted, found), index)| {
                let may_be_ours = |found| self.may_be_ours(FileIndex(index), *noted, found);
                Self::fate(*noted, *found, may_be_ours)
            })
            .collect()
    }

    /// Of the part file.
    fn fate_beside(&self, found: Option<Stamp>) -> Fate {
        let noted = self.ledger.beside.stamp;
        Self::fate(noted, found, |found| self.may_be_ours_beside(noted, found))
    }

    fn fate(
        noted: Option<Stamp>,
        found: Option<Stamp>,
        may_be_ours: impl FnOnce(Stamp) -> bool,
    ) -> Fate {
        let Some(found) = found else {
            return match noted {
                None => Fate::Same,
                Some(_) => Fate::Gone,
            };
        };
        if noted == Some(found) {
            Fate::Same
        } else if may_be_ours(found) {
            Fate::Ours
        } else {
            Fate::Changed
        }
    }

    /// Whether what we may have done after we had last looked at the file made it look as it does.
    fn may_be_ours(&self, file: FileIndex, noted: Option<Stamp>, found: Stamp) -> bool {
        if !self.is_of_our_time(found) || found.length > self.layout.file_length(file) {
            return false;
        }
        if self.situation.same_boot {
            // Only what was just being written can have made it newer and longer.
            let reach = self.reach_of_begun(file);
            let before = noted.map_or(0, |noted| noted.length);
            reach > 0
                && (before..=before.max(reach)).contains(&found.length)
                && noted.is_none_or(|noted| noted.modified <= found.modified)
        } else {
            // Any of the last entries may be lost, and so may be what was written: the file can be
            // anything but shorter than what was synced, which is seen piece by piece.
            let mut pieces = self.layout.pieces_of(file);
            !self.situation.is_clean && pieces.any(|piece| !self.ledger.synced.get(piece))
        }
    }

    /// The same of the part file, which has no length of its own: what it should have is known by the
    /// heads of its slots.
    fn may_be_ours_beside(&self, noted: Option<Stamp>, found: Stamp) -> bool {
        let is_grown = noted
            .is_none_or(|noted| noted.length <= found.length && noted.modified <= found.modified);
        let ledger = self.ledger;
        let was_at_it = if self.situation.same_boot {
            let mut begun = ledger.begun.iter();
            is_grown && begun.any(|&piece| ledger.has_slot(piece))
        } else {
            let mut pieces = ledger.beside.pieces.iter();
            !self.situation.is_clean && pieces.any(|&piece| !ledger.synced.get(piece))
        };
        was_at_it && self.is_of_our_time(found)
    }

    /// Whether a file was last written to while we were still noting something.
    fn is_of_our_time(&self, found: Stamp) -> bool {
        let latest = found.modified.max(found.changed);
        let journal = self.situation.journal_modified;
        journal.is_some_and(|journal| !latest.is_after(journal, GRACE))
    }

    /// Where in `file` the last of the bytes ends that were being written.
    fn reach_of_begun(&self, file: FileIndex) -> u64 {
        let begun = self.ledger.begun.iter();
        let ends = begun.map(|&piece| end_in(self.layout, file, piece));
        ends.max().unwrap_or(0)
    }
}

/// Where in `file` the bytes of `piece` end; 0 if it has none there.
fn end_in(layout: &PieceLayout, file: FileIndex, piece: PieceIndex) -> u64 {
    let slices = layout.slices(piece, 0, layout.piece_length(piece));
    let ends = slices
        .filter(|slice| slice.file == file && !slice.is_pad)
        .map(|slice| slice.offset + u64::from(slice.length));
    ends.max().unwrap_or(0)
}

/// Seconds by which a file may be newer than the last entry of the journal, and still have been
/// written by us: a disk that is busy takes its time, and the times of two file systems differ.
pub(super) const GRACE: i64 = 30;
