//! A torrent's pieces as they lie on disk, read and hashed here and not by what is tried out.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use bt_hash::sha1;
use bt_metainfo::{Info, Metainfo};
use bt_types::{Bitfield, Block, PieceHash, PieceIndex};

use crate::{
    foreign::Torrent,
    harness::{Context, Outcome},
};

/// The pieces of one torrent, wherever they lie.
#[derive(Debug)]
pub(crate) struct Pieces {
    info: Arc<Info>,
}

impl Pieces {
    pub(crate) fn of(torrent: &Torrent) -> Outcome<Self> {
        let bytes = fs::read(&torrent.path).context("reading the torrent")?;
        let metainfo = Metainfo::from_bytes(&bytes).context("reading the torrent")?;
        Ok(Self {
            info: Arc::clone(metainfo.info()),
        })
    }

    pub(crate) fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// None of them.
    pub(crate) fn none(&self) -> Bitfield {
        Bitfield::new(self.info.layout().piece_count())
    }

    /// Those whose bytes below `folder` have the hash that the torrent gives. It is of version 1.
    pub(crate) fn good(&self, folder: &Path) -> Outcome<Bitfield> {
        let layout = self.info.layout();
        let mut good = self.none();
        for piece in layout.pieces() {
            let all = Block {
                piece,
                begin: 0,
                length: layout.piece_length(piece),
            };
            let bytes = self.read(folder, all)?;
            let hash = bytes.map(|bytes| PieceHash::V1(sha1(&bytes)));
            if hash.is_some() && hash == self.info.piece_hash(piece) {
                good.insert(piece);
            }
        }
        Ok(good)
    }

    /// The bytes of a range of a piece; `None` if a file is missing or too short.
    pub(crate) fn read(&self, folder: &Path, block: Block) -> Outcome<Option<Vec<u8>>> {
        let layout = self.info.layout();
        let mut bytes = Vec::with_capacity(block.length as usize);
        for slice in layout.slices(block.piece, block.begin, block.length) {
            let start = bytes.len();
            bytes.resize(start + slice.length as usize, 0);
            if slice.is_pad {
                continue;
            }
            let mut path = folder.to_owned();
            path.extend(self.info.file(slice.file).path.components());
            let read = File::open(&path)
                .and_then(|file| file.read_exact_at(&mut bytes[start..], slice.offset));
            match read.map_err(|error| (error.kind(), error)) {
                Ok(()) => {}
                Err((io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof, _)) => {
                    return Ok(None);
                }
                Err((_, error)) => {
                    return Err(error).context(format_args!("reading {}", path.display()));
                }
            }
        }
        Ok(Some(bytes))
    }

    /// How many bytes of files these pieces have.
    pub(crate) fn bytes_of(&self, pieces: &Bitfield) -> u64 {
        let layout = self.info.layout();
        let lengths = pieces.iter_ones().map(|piece| layout.data_length_of(piece));
        lengths.map(u64::from).sum()
    }

    /// The piece with a number that somebody else has told.
    pub(crate) fn piece(&self, number: u64) -> Outcome<PieceIndex> {
        let number = u32::try_from(number).ok();
        let piece = number.and_then(|number| self.info.layout().piece_index(number).ok());
        piece.context(format_args!("there is no piece {number:?}"))
    }
}
