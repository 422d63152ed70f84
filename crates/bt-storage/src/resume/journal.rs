//! What the journal consists of: entries one behind the other, each with a check of its own.

use std::io::{self, Read};

use bt_hash::sha1;
use bt_types::{FileIndex, PieceIndex, Totals};

use super::Stamp;

/// One thing that became true after the record was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Bytes of these pieces are about to be written: until one of the next three tells of a piece,
    /// nothing is known of its bytes.
    Begun(Vec<PieceIndex>),
    /// These are verified and written.
    Written(Vec<PieceIndex>, Vec<(FileIndex, Stamp)>),
    /// These blocks of a piece, by their places on the grid, are written unverified, beside others.
    Spilled(PieceIndex, Vec<u32>, Vec<(FileIndex, Stamp)>),
    /// No block of this piece counts any more: it was wrong, or could not be written.
    Dropped(PieceIndex, Vec<(FileIndex, Stamp)>),
    /// So many of the pieces that were not on the medium are, those that were written first.
    Synced(u64),
    /// Payload so far, all runs together.
    Moved(Totals),
    /// So these files look now; nothing but their names has changed.
    Looked(Vec<(FileIndex, Stamp)>),
    /// These files are left out from now on, and so the part file looks, if it is there.
    Selected(Vec<FileIndex>, Option<Stamp>),
    /// These files, `u32::MAX` being the part file, could not be synced: what was written to them may
    /// be lost with the power, whatever is synced later.
    NotSynced(Vec<FileIndex>),
}

/// How a file looked right after it was written to.
pub(crate) type FileStamp = (FileIndex, Stamp);

/// With what the journal of the record with these bytes begins: it is of no use to any other.
#[must_use]
pub fn header(record: &[u8]) -> Vec<u8> {
    [MAGIC, &sha1(record)].concat()
}

/// Appends an entry to `out`; `offset` is where in the journal it will begin.
pub fn encode_entry(entry: &Entry, header: &[u8], offset: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0; LENGTH]);
    match entry {
        Entry::Begun(pieces) => {
            out.push(1);
            encode_pieces(pieces, out);
        }
        Entry::Written(pieces, stamps) => {
            out.push(2);
            encode_pieces(pieces, out);
            encode_stamps(stamps, out);
        }
        Entry::Spilled(piece, slots, stamps) => {
            out.push(3);
            out.extend(piece.get().to_le_bytes());
            encode_numbers(slots.iter().copied(), out);
            encode_stamps(stamps, out);
        }
        Entry::Dropped(piece, stamps) => {
            out.push(4);
            out.extend(piece.get().to_le_bytes());
            encode_stamps(stamps, out);
        }
        Entry::Synced(count) => {
            out.push(5);
            out.extend(count.to_le_bytes());
        }
        Entry::Moved(totals) => {
            out.push(6);
            out.extend(totals.downloaded.to_le_bytes());
            out.extend(totals.uploaded.to_le_bytes());
        }
        Entry::Looked(stamps) => {
            out.push(7);
            encode_stamps(stamps, out);
        }
        Entry::Selected(left_out, part_file) => {
            out.push(8);
            encode_numbers(left_out.iter().map(|file| file.0), out);
            if let Some(stamp) = part_file {
                stamp.encode(out);
            }
        }
        Entry::NotSynced(files) => {
            out.push(9);
            encode_numbers(files.iter().map(|file| file.0), out);
        }
    }
    let body = start + LENGTH;
    let length = (out.len() - body) as u32;
    out[start..body].copy_from_slice(&length.to_le_bytes());
    let check = check_of(&out[body..], header, offset);
    out.extend(check);
}

/// Reads a journal until it ends or an entry is torn; what follows that cannot be told from junk.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    header: Vec<u8>,
    offset: u64,
    body: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// `None` if it is not the journal of the record with these bytes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn new(mut source: R, record: &[u8]) -> io::Result<Option<Self>> {
        let header = header(record);
        let mut found = Vec::new();
        let length = header.len() as u64;
        source.by_ref().take(length).read_to_end(&mut found)?;
        Ok((found == header).then_some(Self {
            source,
            offset: length,
            header,
            body: Vec::new(),
        }))
    }

    /// The next entry that is whole.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        self.body.clear();
        let mut length = self.source.by_ref().take(LENGTH as u64);
        length.read_to_end(&mut self.body)?;
        let Some(length) = self.body.first_chunk().copied().map(u32::from_le_bytes) else {
            return Ok(None);
        };
        self.body.clear();
        let whole = u64::from(length) + CHECK as u64;
        // Grows with what is there, whatever the length claims.
        let mut rest = self.source.by_ref().take(whole);
        rest.read_to_end(&mut self.body)?;
        if (self.body.len() as u64) < whole {
            return Ok(None);
        }
        let (body, check) = self.body.split_at(length as usize);
        if check != check_of(body, &self.header, self.offset) {
            return Ok(None);
        }
        self.offset += LENGTH as u64 + whole;
        Ok(decode(body))
    }
}

/// Bound to the record and to the place, so that what an older journal left on the disk, or a
/// copy of an entry, does not fit.
fn check_of(body: &[u8], header: &[u8], offset: u64) -> [u8; CHECK] {
    let bound = [header, &offset.to_le_bytes(), body].concat();
    let mut check = [0; CHECK];
    check.copy_from_slice(&sha1(&bound)[..CHECK]);
    check
}

fn encode_pieces(pieces: &[PieceIndex], out: &mut Vec<u8>) {
    encode_numbers(pieces.iter().map(|piece| piece.get()), out);
}

fn encode_numbers(numbers: impl ExactSizeIterator<Item = u32>, out: &mut Vec<u8>) {
    out.extend((numbers.len() as u32).to_le_bytes());
    numbers.for_each(|number| out.extend(number.to_le_bytes()));
}

fn encode_stamps(stamps: &[FileStamp], out: &mut Vec<u8>) {
    for (file, stamp) in stamps {
        out.extend(file.0.to_le_bytes());
        stamp.encode(out);
    }
}

/// `None` for a kind that is not known, too: what follows may rest on it.
fn decode(body: &[u8]) -> Option<Entry> {
    let (kind, rest) = body.split_first()?;
    let mut rest = Rest(rest);
    let entry = match kind {
        1 => Entry::Begun(rest.pieces()?),
        2 => Entry::Written(rest.pieces()?, rest.stamps()?),
        3 => Entry::Spilled(
            PieceIndex::new(rest.number()?),
            rest.numbers()?,
            rest.stamps()?,
        ),
        4 => Entry::Dropped(PieceIndex::new(rest.number()?), rest.stamps()?),
        5 => Entry::Synced(rest.long()?),
        6 => Entry::Moved(Totals {
            downloaded: rest.long()?,
            uploaded: rest.long()?,
        }),
        7 => Entry::Looked(rest.stamps()?),
        8 => {
            let left_out = rest.files()?;
            Entry::Selected(left_out, rest.last_stamp()?)
        }
        9 => Entry::NotSynced(rest.files()?),
        _ => return None,
    };
    rest.0.is_empty().then_some(entry)
}

/// What has not been read of an entry.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn numbers(&mut self) -> Option<Vec<u32>> {
        let count = self.number()? as usize;
        let bytes = self.0.get(..count.checked_mul(4)?)?;
        self.0 = &self.0[bytes.len()..];
        let numbers = bytes.chunks_exact(4);
        numbers
            .map(|number| Some(u32::from_le_bytes(number.try_into().ok()?)))
            .collect()
    }

    fn pieces(&mut self) -> Option<Vec<PieceIndex>> {
        let numbers = self.numbers()?;
        Some(numbers.into_iter().map(PieceIndex::new).collect())
    }

    fn files(&mut self) -> Option<Vec<FileIndex>> {
        Some(self.numbers()?.into_iter().map(FileIndex).collect())
    }

    /// All that is left, which may be nothing.
    fn last_stamp(&mut self) -> Option<Option<Stamp>> {
        match std::mem::take(&mut self.0) {
            [] => Some(None),
            bytes => Stamp::decode(bytes).map(Some),
        }
    }

    /// All that is left.
    fn stamps(&mut self) -> Option<Vec<FileStamp>> {
        let stamps = std::mem::take(&mut self.0).chunks(4 + Stamp::ENCODED);
        let decode = |bytes: &[u8]| {
            let (file, stamp) = bytes.split_first_chunk()?;
            let file = FileIndex(u32::from_le_bytes(*file));
            Some((file, Stamp::decode(stamp)?))
        };
        stamps.map(decode).collect()
    }
}

const MAGIC: &[u8] = b"bt journal 1\n";
/// The length of an entry's body, little-endian.
const LENGTH: usize = 4;
/// Of the SHA-1.
const CHECK: usize = 8;
