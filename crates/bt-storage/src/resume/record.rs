use std::collections::BTreeSet;

use bt_bencoding::{DictEncoder, Document, Encoder, Limits, Strict, Value};
use bt_hash::sha1;
use bt_metainfo::Info;
use bt_types::{
    Bitfield, FileIndex, InfoHash, InfoHashV2, PartialPiece, PieceIndex, ResumeState, TorrentIds,
    Totals,
};

use super::{BootId, Stamp};
use crate::part_file;

/// What a run leaves for the next.
///
/// A file of bencode: `version`, the dictionary `record`, and `digest`, the SHA-1 of that
/// dictionary's bytes. Keys that are not known are passed over, so that later versions may add some.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// What is there.
    pub state: ResumeState,
    /// How each file of the torrent looked when it was last known to be as `state` says, pad files
    /// included: `None` for what is not there.
    pub files: Vec<Option<Stamp>>,
    /// What lies beside the files.
    pub beside: Beside,
    /// Files of which a sync has failed since the machine was started, `u32::MAX` being the part file:
    /// what was written to them and is not in `synced` need not be on the medium, whatever a later
    /// sync says.
    pub not_synced: BTreeSet<FileIndex>,
    /// Which run of the machine this was; `None` if nobody knows.
    pub boot: Option<BootId>,
    /// Whether nothing has been written since.
    pub is_clean: bool,
}

/// What the part file has of pieces that are wanted in part; nothing, as long as all files are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Beside {
    /// The files that are not wanted: what pieces that have a slot have of them is there.
    pub left_out: BTreeSet<FileIndex>,
    /// The pieces that have a slot.
    pub pieces: BTreeSet<PieceIndex>,
    /// How the part file looked; `None` if it is not there.
    pub stamp: Option<Stamp>,
}

/// Why a record is not believed. Each has everything checked; none is an error to a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is no bencoded dictionary with what a record has, for instance since it was cut.
    #[error("the record is malformed")]
    Malformed,
    /// Written by another version of this crate.
    #[error("the record has version {0}, and {WITH_NOT_SYNCED} is known")]
    Version(i64),
    /// Its bytes are not those that were written.
    #[error("the record is damaged")]
    Digest,
    /// It contradicts itself.
    #[error("the record contradicts itself")]
    Inconsistent,
    /// It tells of another torrent.
    #[error("the record is of another torrent")]
    OtherTorrent,
}

impl Record {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Vec::new();
        self.encode_inner(&mut record);
        let mut out = Vec::with_capacity(record.len() + 64);
        Encoder::new(&mut out).dict(|dict| {
            dict.bytes("digest", sha1(&record))
                .raw("record", &record)
                .int("version", self.version());
        });
        out
    }

    /// Reads the bytes of a file of any content.
    ///
    /// # Errors
    /// If they are not what [`encode`](Self::encode) made, to the last bit.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        // A later version may be of any form, but for this key.
        let document = Document::<Strict>::parse(bytes, Limits::new(MAX_DEPTH, MAX_TOKENS))
            .map_err(|_| RecordError::Malformed)?;
        let root = document.root();
        let version = root.get("version").and_then(Value::as_int);
        match version.ok_or(RecordError::Malformed)? {
            VERSION..=WITH_NOT_SYNCED => {}
            other => return Err(RecordError::Version(other)),
        }
        let record = root.get("record").ok_or(RecordError::Malformed)?;
        let digest = root.get("digest").and_then(Value::as_bytes);
        if digest != Some(&sha1(record.raw())) {
            return Err(RecordError::Digest);
        }
        let decoded = Self::decode_inner(record).ok_or(RecordError::Malformed)?;
        let is_of_version_3 = !decoded.not_synced.is_empty();
        if !decoded.is_consistent() || is_of_version_3 != (version == Some(WITH_NOT_SYNCED)) {
            return Err(RecordError::Inconsistent);
        }
        Ok(decoded)
    }

    /// Whether it tells of the torrent `info`, and of nothing that this one does not have.
    ///
    /// # Errors
    /// If not.
    pub fn check_torrent(&self, info: &Info) -> Result<(), RecordError> {
        let layout = info.layout();
        let has_slots = |partial: &PartialPiece| {
            let exists = |&slot: &u32| layout.block(partial.piece, slot).is_some();
            partial.slots.iter().all(exists)
        };
        let fits = self.state.ids == info.ids()
            && self.state.written.len() == layout.piece_count()
            && self.files.len() == layout.file_count() as usize
            && self.state.partial.iter().all(has_slots);
        if fits {
            Ok(())
        } else {
            Err(RecordError::OtherTorrent)
        }
    }

    fn version(&self) -> i64 {
        if !self.not_synced.is_empty() {
            WITH_NOT_SYNCED
        } else if self.beside != Beside::default() {
            WITH_BESIDE
        } else {
            VERSION
        }
    }

    fn encode_inner(&self, out: &mut Vec<u8>) {
        let state = &self.state;
        let mut stamps = Vec::with_capacity(self.files.len() * Stamp::ENCODED);
        for file in &self.files {
            match file {
                Some(stamp) => stamp.encode(&mut stamps),
                None => stamps.extend([0xff; Stamp::ENCODED]),
            }
        }
        Encoder::new(out).dict(|dict| {
            if let Some(boot) = &self.boot {
                dict.bytes("boot", boot.as_bytes());
            }
            dict.int("clean", i64::from(self.is_clean))
                .int("downloaded", clamped(state.totals.downloaded))
                .bytes("files", &stamps);
            self.encode_beside(dict);
            self.encode_not_synced(dict);
            dict.list("partial", |list| {
                for partial in &state.partial {
                    list.dict(|dict| {
                        dict.int("piece", partial.piece.get())
                            .bytes("slots", bitmap(&partial.slots));
                    });
                }
            })
            .int("pieces", state.written.len())
            .bytes("synced", state.synced.as_bytes())
            .int("uploaded", clamped(state.totals.uploaded));
            if let Some(v1) = state.ids.v1() {
                dict.bytes("v1", v1.0);
            }
            if let Some(v2) = state.ids.v2() {
                dict.bytes("v2", v2.0);
            }
            dict.bytes("written", state.written.as_bytes());
        });
    }

    fn encode_beside(&self, dict: &mut DictEncoder<'_>) {
        if self.beside == Beside::default() {
            return;
        }
        let Beside {
            left_out, pieces, ..
        } = &self.beside;
        let pieces = pieces.iter().map(|piece| piece.get());
        dict.bytes("in_part_file", set_of(self.state.written.len(), pieces))
            .bytes(
                "left_out",
                set_of(self.files.len() as u32, left_out.iter().map(|file| file.0)),
            );
    }

    /// A bit a file, and the last for the part file; and then, in the order of keys, how that looked.
    fn encode_not_synced(&self, dict: &mut DictEncoder<'_>) {
        if !self.not_synced.is_empty() {
            let part_file = self.files.len() as u32;
            let files = self.not_synced.iter().map(|file| file.0.min(part_file));
            dict.bytes("not_synced", set_of(part_file + 1, files));
        }
        if let Some(stamp) = &self.beside.stamp {
            let mut bytes = Vec::new();
            stamp.encode(&mut bytes);
            dict.bytes("part_file", bytes);
        }
    }

    fn decode_not_synced(record: Value<'_, '_>, files: u32) -> Option<BTreeSet<FileIndex>> {
        let Some(set) = record.get("not_synced") else {
            return Some(BTreeSet::new());
        };
        let set = Bitfield::from_wire(set.as_bytes()?, files.checked_add(1)?).ok()?;
        let file = |file: PieceIndex| match file.get() {
            file if file == files => part_file::FILE,
            file => FileIndex(file),
        };
        Some(set.iter_ones().map(file).collect())
    }

    fn decode_beside(record: Value<'_, '_>, pieces: u32, files: u32) -> Option<Beside> {
        // What is not there is not made: the counts are the record's own, which may lie.
        let set = |key: &str, count| match record.get(key) {
            Some(set) => Bitfield::from_wire(set.as_bytes()?, count).ok(),
            None => Some(Bitfield::new(0)),
        };
        let left_out = set("left_out", files)?;
        let stamp = match record.get("part_file") {
            Some(stamp) => Some(Stamp::decode(stamp.as_bytes()?)?),
            None => None,
        };
        Some(Beside {
            left_out: left_out
                .iter_ones()
                .map(|file| FileIndex(file.get()))
                .collect(),
            pieces: set("in_part_file", pieces)?.iter_ones().collect(),
            stamp,
        })
    }

    fn decode_inner(record: Value<'_, '_>) -> Option<Self> {
        let bytes = |key: &str| record.get(key)?.as_bytes();
        let number = |key: &str| record.get(key)?.as_u64();
        let v1 = bytes("v1").map(|hash| hash.try_into().map(InfoHash));
        let v2 = bytes("v2").map(|hash| hash.try_into().map(InfoHashV2));
        let ids = match (v1.transpose().ok()?, v2.transpose().ok()?) {
            (Some(v1), Some(v2)) => TorrentIds::hybrid(v1, v2),
            (Some(v1), None) => TorrentIds::v1_only(v1),
            (None, Some(v2)) => TorrentIds::v2_only(v2),
            (None, None) => return None,
        };
        let pieces = u32::try_from(number("pieces")?).ok()?;
        let set = |key: &str| Bitfield::from_wire(bytes(key)?, pieces).ok();
        let partial = record.get("partial")?.as_list()?.map(|entry| {
            let piece = u32::try_from(entry.get("piece")?.as_u64()?).ok()?;
            Some(PartialPiece {
                piece: PieceIndex::new(piece),
                slots: slots(entry.get("slots")?.as_bytes()?)?,
            })
        });
        let stamps = bytes("files")?.chunks(Stamp::ENCODED);
        let files = stamps.map(|stamp| match stamp {
            stamp if *stamp == [0xff; Stamp::ENCODED] => Some(None),
            stamp => Stamp::decode(stamp).map(Some),
        });
        let boot = match bytes("boot") {
            Some(name) => Some(BootId::new(name)?),
            None => None,
        };
        let files: Vec<_> = files.collect::<Option<_>>()?;
        Some(Self {
            beside: Self::decode_beside(record, pieces, files.len() as u32)?,
            not_synced: Self::decode_not_synced(record, files.len() as u32)?,
            state: ResumeState {
                ids,
                written: set("written")?,
                synced: set("synced")?,
                partial: partial.collect::<Option<_>>()?,
                totals: Totals {
                    downloaded: number("downloaded")?,
                    uploaded: number("uploaded")?,
                },
            },
            files,
            boot,
            is_clean: match number("clean")? {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }

    fn is_consistent(&self) -> bool {
        let ResumeState {
            written,
            synced,
            partial,
            ..
        } = &self.state;
        let is_open = |partial: &PartialPiece| {
            let piece = partial.piece;
            piece.get() < written.len() && !written.get(piece) && !partial.slots.is_empty()
        };
        !synced.has_any_not_in(written)
            && partial.is_sorted_by(|a, b| a.piece < b.piece)
            && partial.iter().all(is_open)
    }
}

/// Numbers below `count` as bits.
fn set_of(count: u32, numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut set = Bitfield::new(count);
    for number in numbers {
        set.insert(PieceIndex::new(number));
    }
    set.as_bytes().to_vec()
}

/// Places of a grid as bits, the first the highest of the first byte, as in a bitfield.
fn bitmap(slots: &[u32]) -> Vec<u8> {
    let length = slots.last().map_or(0, |last| *last as usize / 8 + 1);
    let mut bits = vec![0; length];
    for &slot in slots {
        bits[slot as usize / 8] |= 0x80 >> (slot % 8);
    }
    bits
}

/// `None` if no piece has so many blocks: numbers take more room than bits.
fn slots(bitmap: &[u8]) -> Option<Vec<u32>> {
    let is_set = |place: &u32| bitmap[*place as usize / 8] & (0x80 >> (place % 8)) != 0;
    let places = 0..bitmap.len() as u32 * 8;
    (bitmap.len() <= MAX_BITMAP).then(|| places.filter(is_set).collect())
}

/// Bencode has no larger number; nobody has moved as much.
fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Goes up when an older reader would misunderstand.
const VERSION: i64 = 1;
/// Of records that tell of a part file, or of files that are left out.
const WITH_BESIDE: i64 = 2;
/// Of records that tell of files which could not be synced.
const WITH_NOT_SYNCED: i64 = 3;
/// The file, the record, the list, a partial piece; the rest is for what may be added.
const MAX_DEPTH: u32 = 8;
/// Five for each partial piece, of which there are never more than some thousand.
const MAX_TOKENS: u32 = 8_000_000;
/// The longest pieces have just under 2^15 blocks.
const MAX_BITMAP: usize = 1 << 12;
