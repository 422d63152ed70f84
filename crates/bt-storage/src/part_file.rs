//! The file that holds what pieces that are wanted in part have of files that are not wanted.
//!
//! It lies beside the download: `.NAME.0123abcd.parts`, with the beginning of the torrent's hash in
//! its name, which nothing in the torrent and no other torrent has. 64 bytes tell whose it is, then
//! there are slots, one a piece: 16 bytes that say which, then all of the piece, also what lies in
//! wanted files: so it can be told by its hash whether a slot is right, whatever was wanted when it
//! was written. Slots that say nothing are free.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Whether what lies on disk is known.
    is_known: bool,
    /// Whether what it holds is of files that are not wanted only.
    is_settled: bool,
    /// Whether the file is there.
    exists: bool,
    of: BTreeMap<PieceIndex, u64>,
    free: BTreeSet<u64>,
    /// How many slots there are, free ones included.
    count: u64,
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
            slots: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the bytes of `piece` begin, if it has a slot.
    pub(crate) fn slot_of(&self, piece: PieceIndex) -> Option<u64> {
        let slot = self.lock().of.get(&piece).copied();
        slot.map(|slot| self.offset_of(slot) + SLOT_HEAD)
    }

    /// The pieces that have a slot, in order.
    pub(crate) fn pieces(&self) -> Vec<PieceIndex> {
        self.lock().of.keys().copied().collect()
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
            write(Header {
                offset: 0,
                bytes: self.head.to_vec(),
            })?;
            slots.exists = true;
        }
        let free = slots.free.first().copied();
        let slot = free.unwrap_or(slots.count);
        if slot == slots.count {
            // So that all of it can be read.
            write(Header {
                offset: self.offset_of(slot + 1) - 1,
                bytes: vec![0],
            })?;
        }
        fill(self.offset_of(slot) + SLOT_HEAD)?;
        let (number, check) = (piece.get().to_le_bytes(), (!piece.get()).to_le_bytes());
        write(Header {
            offset: self.offset_of(slot),
            bytes: [number, check, [0; 4], [0; 4]].concat(),
        })?;
        slots.free.remove(&slot);
        slots.count = slots.count.max(slot + 1);
        slots.of.insert(piece, slot);
        Ok(self.offset_of(slot) + SLOT_HEAD)
    }

    /// Takes the slots of these pieces away; returns whether the file is there and can be removed.
    pub(crate) fn free_slots<E>(
        &self,
        pieces: &[PieceIndex],
        write: impl Fn(Header) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut slots = self.lock();
        for &piece in pieces {
            let Some(&slot) = slots.of.get(&piece) else {
                continue;
            };
            write(Header {
                offset: self.offset_of(slot),
                bytes: vec![0; SLOT_HEAD as usize],
            })?;
            slots.of.remove(&piece);
            slots.free.insert(slot);
        }
        let is_idle = slots.exists && slots.of.is_empty();
        if is_idle {
            *slots = Slots {
                is_known: true,
                is_settled: slots.is_settled,
                ..Slots::default()
            };
        }
        Ok(is_idle)
    }

    /// Whether what is in it has been brought in line with a selection since it was found: until
    /// then it may have newer bytes of any file.
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
            if is_used && !found.of.contains_key(&piece) {
                found.of.insert(piece, slot);
            } else {
                found.free.insert(slot);
            }
            found.count = slot + 1;
        }
        Ok(())
    }

    fn offset_of(&self, slot: u64) -> u64 {
        HEAD as u64 + slot * (SLOT_HEAD + u64::from(self.piece_length))
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
const MAGIC: &[u8] = b"bt part file 1\n";
/// Leaves room for the rest of the name in the 255 bytes that file systems take.
const MAX_NAME: usize = 225;
