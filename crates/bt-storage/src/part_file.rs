//! The file that holds what pieces that are wanted in part have of files that are not wanted.
//!
//! It lies beside the download: `.NAME.0123abcd.parts`, with the beginning of the torrent's hash in
//! its name, which nothing in the torrent and no other torrent has. 64 bytes tell whose it is, then
//! there are slots, one a piece: 16 bytes that say which, then all of the piece, also what lies in
//! wanted files: so it can be told by its hash whether a slot is right, whatever was wanted when it
//! was written. Slots that say nothing are free.
//!
//! A run that remembers ([`resume`](crate::resume)) knows which files were left out and which pieces
//! had slots; one that does not takes all of a piece from its slot if that is right by its hash, and
//! else from the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bt_metainfo::Info;
use bt_types::{FileIndex, PieceIndex};

use crate::{Storage, pool::Handle};

/// Stands for the part file where files of the torrent have their numbers: no torrent has as many.
pub(crate) const FILE: FileIndex = FileIndex(u32::MAX);

/// Which pieces lie where in the part file of one torrent. Performs no I/O by itself.
#[derive(Debug)]
pub(crate) struct PartFile {
    name: String,
    /// What it begins with.
    head: [u8; HEAD],
    piece_length: u32,
    piece_count: u32,
    /// Somebody has removed the file.
    is_gone: AtomicBool,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Whether what lies on disk is known.
    is_known: bool,
    /// Whether it is known which files were left out when it was written: what it has of those counts.
    is_settled: bool,
    /// Whether the file is there.
    exists: bool,
    of: BTreeMap<PieceIndex, u64>,
    free: BTreeSet<u64>,
    /// Slots that name a piece which is not there any more, until that has been cleared.
    stale: BTreeSet<u64>,
    /// How many slots there are, all of them.
    count: u64,
    /// Pieces that had slots in a file that has gone, until that has been told.
    lost: BTreeSet<PieceIndex>,
}

/// A few bytes that are to be written.
pub(crate) struct Header {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

impl PartFile {
    pub(crate) fn new(info: &Info) -> Self {
        let id = info.ids().primary_swarm_id();
        let hash: String = id.0[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut name = info.name();
        while name.len() > MAX_NAME {
            let last = name.char_indices().next_back();
            name = &name[..last.map_or(0, |(at, _)| at)];
        }
        let layout = info.layout();
        let mut head = [0; HEAD];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()..][..20].copy_from_slice(&id.0);
        head[MAGIC.len() + 20..][..4].copy_from_slice(&layout.nominal_piece_length().to_le_bytes());
        Self {
            name: format!(".{name}.{hash}.parts"),
            head,
            piece_length: layout.nominal_piece_length(),
            piece_count: layout.piece_count(),
            is_gone: AtomicBool::new(false),
            slots: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the bytes of `piece` begin, if it has a slot; beyond the end of any file if that is lost.
    pub(crate) fn slot_of(&self, piece: PieceIndex) -> Option<u64> {
        let slots = self.lock();
        match slots.of.get(&piece) {
            Some(&slot) => Some(self.offset_of(slot) + SLOT_HEAD),
            None => slots.lost.contains(&piece).then_some(NOWHERE),
        }
    }

    /// The pieces that have a slot, in order.
    pub(crate) fn pieces(&self) -> Vec<PieceIndex> {
        self.lock().of.keys().copied().collect()
    }

    pub(crate) fn is_known(&self) -> bool {
        self.lock().is_known
    }

    /// Somebody has removed the file: what was in it is lost.
    pub(crate) fn gone(&self) {
        // It may be noticed while slots are changed.
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// The slot of `piece` is not all there any more.
    pub(crate) fn lose(&self, piece: PieceIndex) {
        let mut slots = self.lock();
        let slot = slots.of.remove(&piece);
        slots.stale.extend(slot);
        slots.lost.insert(piece);
    }

    /// The pieces that had slots in a file that has gone, as long as nobody knows.
    pub(crate) fn lost(&self) -> Vec<PieceIndex> {
        self.lock().lost.iter().copied().collect()
    }

    /// Whoever uses them knows that these are lost.
    pub(crate) fn told(&self, lost: &[PieceIndex]) {
        let mut slots = self.lock();
        lost.iter().for_each(|piece| {
            slots.lost.remove(piece);
        });
    }

    /// The slots of other pieces than these do not count.
    pub(crate) fn keep(&self, is_kept: impl Fn(PieceIndex) -> bool) {
        let Slots { of, stale, .. } = &mut *self.lock();
        of.retain(|&piece, slot| {
            let is_kept = is_kept(piece);
            if !is_kept {
                stale.insert(*slot);
            }
            is_kept
        });
    }

    /// Reads which slots there are, once. What is there and is no part file of this torrent is an
    /// error: it is not ours to write to.
    pub(crate) fn find(
        &self,
        open: impl FnOnce() -> io::Result<Option<Arc<Handle>>>,
    ) -> io::Result<()> {
        let mut slots = self.lock();
        if slots.is_known {
            return Ok(());
        }
        let mut found = Slots {
            is_known: true,
            ..Slots::default()
        };
        if let Some(file) = open()? {
            found.exists = true;
            let length = file.len()?;
            let mut head = [0; HEAD];
            let there = length.min(HEAD as u64) as usize;
            file.read_exact_at(&mut head[..there], 0)?;
            // One that was only just made, when everything ended.
            let is_blank = head.iter().all(|&byte| byte == 0);
            if !is_blank && head != self.head {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "it is no part file of this torrent",
                ));
            }
            if !is_blank {
                self.read_slots(&file, length, &mut found)?;
            }
        }
        *slots = found;
        Ok(())
    }

    /// Gives `piece` a slot, unless it has one, and tells where its bytes begin; `fill` puts there
    /// what is known of a piece that is new, `write` is called for what there is to write besides.
    pub(crate) fn take_slot<E>(
        &self,
        piece: PieceIndex,
        write: impl Fn(Header) -> Result<(), E>,
        fill: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut slots = self.lock();
        if let Some(&slot) = slots.of.get(&piece) {
            return Ok(self.offset_of(slot) + SLOT_HEAD);
        }
        if slots.of.is_empty() {
            // There may be no file.
            write(Header {
                offset: 0,
                bytes: self.head.to_vec(),
            })?;
            slots.exists = true;
        }
        let free = slots.free.first().copied();
        let slot = free.unwrap_or(slots.count);
        // So that all of it can be read.
        write(Header {
            offset: self.offset_of(slot + 1) - 1,
            bytes: vec![0],
        })?;
        fill(self.offset_of(slot) + SLOT_HEAD)?;
        let (number, check) = (piece.get().to_le_bytes(), (!piece.get()).to_le_bytes());
        write(Header {
            offset: self.offset_of(slot),
            bytes: [number, check, [0; 4], [0; 4]].concat(),
        })?;
        slots.free.remove(&slot);
        slots.count = slots.count.max(slot + 1);
        slots.lost.remove(&piece);
        slots.of.insert(piece, slot);
        Ok(self.offset_of(slot) + SLOT_HEAD)
    }

    /// Takes the slots of these pieces away; returns whether the file is there and can be removed,
    /// which [`removed`](Self::removed) is to tell of. What cannot be cleared is so the next time.
    pub(crate) fn free_slots<E>(
        &self,
        pieces: &[PieceIndex],
        write: impl Fn(Header) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut slots = self.lock();
        for piece in pieces {
            let slot = slots.of.remove(piece);
            slots.stale.extend(slot);
        }
        while let Some(&slot) = slots.stale.first().filter(|_| !slots.of.is_empty()) {
            write(Header {
                offset: self.offset_of(slot),
                bytes: vec![0; SLOT_HEAD as usize],
            })?;
            slots.stale.remove(&slot);
            slots.free.insert(slot);
        }
        Ok(slots.exists && slots.of.is_empty())
    }

    /// The file is not there any more, and nothing was in it.
    pub(crate) fn removed(&self) {
        let mut slots = self.lock();
        *slots = Slots {
            is_known: true,
            is_settled: slots.is_settled,
            lost: std::mem::take(&mut slots.lost),
            ..Slots::default()
        };
    }

    /// Whether what it has of files that are left out is what counts: until then each slot may be wrong,
    /// or have newer bytes of any file.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().is_settled
    }

    pub(crate) fn settle(&self) {
        self.lock().is_settled = true;
    }

    fn read_slots(&self, file: &Handle, length: u64, found: &mut Slots) -> io::Result<()> {
        // More than pieces there are never.
        for slot in 0..u64::from(self.piece_count) {
            let offset = self.offset_of(slot);
            if offset + SLOT_HEAD > length {
                break;
            }
            let mut bytes = [0; SLOT_HEAD as usize];
            file.read_exact_at(&mut bytes, offset)?;
            let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|n| bytes[at + n]));
            let piece = PieceIndex::new(number(0));
            let is_used = number(0) == !number(4) && number(0) < self.piece_count;
            let is_whole = self.offset_of(slot + 1) <= length;
            if is_used && is_whole && !found.of.contains_key(&piece) {
                found.of.insert(piece, slot);
            } else if bytes == [0; SLOT_HEAD as usize] {
                found.free.insert(slot);
            } else {
                found.stale.insert(slot);
            }
            found.count = slot + 1;
        }
        Ok(())
    }

    fn offset_of(&self, slot: u64) -> u64 {
        HEAD as u64 + slot * (SLOT_HEAD + u64::from(self.piece_length))
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_gone.swap(false, Ordering::Relaxed) {
            let lost = std::mem::take(&mut slots.of).into_keys();
            slots.lost.extend(lost);
            slots.free.clear();
            slots.stale.clear();
            slots.exists = false;
            // The count stays: whoever is just writing to a slot of the file that was does not meet
            // those in one that is made anew.
        }
        slots
    }
}

impl Storage {
    /// Where the part file lies, if it is needed: a hidden file beside the download.
    #[must_use]
    pub fn part_file(&self) -> PathBuf {
        self.root().join(self.parts().name())
    }
}

/// As long as a line of it.
const HEAD: usize = 64;
const SLOT_HEAD: u64 = 16;
/// Nothing can be read there.
const NOWHERE: u64 = 1 << 62;
const MAGIC: &[u8] = b"bt part file 1\n";
/// Leaves room for the rest of the name in the 255 bytes that file systems take.
const MAX_NAME: usize = 225;
