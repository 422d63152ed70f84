//! Small torrents for the tests of this crate.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};

use bt_hash::{merkle, sha1};
use bt_metainfo::{FileKind, Info, Metainfo};
use bt_types::{Block, PieceIndex};
use tempfile::TempDir;

use crate::{
    FilePool, Storage,
    disk::{DiskPool, Done, Job},
};

/// A torrent called `t` with content, and a folder of its own.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) info: Arc<Info>,
    pub(crate) pool: Arc<FilePool>,
    pub(crate) storage: Arc<Storage>,
    /// The right bytes of each piece, padding included.
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// A path below `t`, a length, and attributes as in BEP 47: `p` a pad file, `x` executable.
pub(crate) type FileSpec<'a> = (&'a str, usize, &'a str);

impl World {
    pub(crate) fn new(piece_length: usize, files: &[FileSpec<'_>]) -> Self {
        Self::with_pool(piece_length, files, FilePool::new(4))
    }

    pub(crate) fn with_pool(piece_length: usize, files: &[FileSpec<'_>], pool: FilePool) -> Self {
        let content = content_of(files);
        let pieces: Vec<Vec<u8>> = content.chunks(piece_length).map(<[u8]>::to_vec).collect();
        Self::of(info(piece_length, files, &pieces), pieces, pool)
    }

    /// A torrent of one file, which is called `t` itself.
    pub(crate) fn single(piece_length: usize, length: usize) -> Self {
        let content = content_of(&[("t", length, "")]);
        let pieces: Vec<Vec<u8>> = content.chunks(piece_length).map(<[u8]>::to_vec).collect();
        let head = format!("d6:lengthi{length}e4:name1:t");
        let info = info_of(head.into(), piece_length, &pieces);
        Self::of(info, pieces, FilePool::new(4))
    }

    /// A v2 torrent of two files: three blocks in pieces of two, and 100 bytes.
    pub(crate) fn v2() -> Self {
        let content = content_of(&[("a", 3 * 16_384 - 5, ""), ("b", 100, "")]);
        let (a, b) = content.split_at(3 * 16_384 - 5);
        let leaves: Vec<_> = a.chunks(16_384).map(merkle::block_hash).collect();
        let layer = [
            merkle::root_of(&leaves[..2], 2),
            merkle::root_of(&leaves[2..], 2),
        ];
        let root = merkle::root_of_layer(&layer, 1, 2);
        let file = |name: &str, length: usize, root: [u8; 32]| {
            let head = format!("1:{name}d0:d6:lengthi{length}e11:pieces root32:");
            [head.as_bytes(), &root, b"ee"].concat()
        };
        let files = [
            file("a", a.len(), root),
            file("b", b.len(), merkle::block_hash(b)),
        ]
        .concat();
        let torrent = [
            b"d4:infod9:file treed",
            files.as_slice(),
            b"e12:meta versioni2e4:name1:t12:piece lengthi32768ee12:piece layersd32:",
            &root,
            b"64:",
            layer.as_flattened(),
            b"ee",
        ];
        let metainfo = Metainfo::from_bytes(&torrent.concat()).unwrap();
        let pieces = a.chunks(32_768).chain([b]).map(<[u8]>::to_vec).collect();
        Self::of(metainfo.info().clone(), pieces, FilePool::new(4))
    }

    fn of(info: impl Into<Arc<Info>>, pieces: Vec<Vec<u8>>, pool: FilePool) -> Self {
        let info = info.into();
        let folder = TempDir::new().unwrap();
        let pool = Arc::new(pool);
        let storage = Storage::new(folder.path().into(), Arc::clone(&info), Arc::clone(&pool));
        Self {
            folder,
            info,
            pool,
            storage: Arc::new(storage),
            pieces,
        }
    }

    /// As another process would: nothing is open, and nobody notes anything.
    pub(crate) fn reopen(&mut self) {
        self.storage = Arc::new(self.unopened());
    }

    /// A storage of the same data that has not looked at it yet.
    pub(crate) fn unopened(&self) -> Storage {
        let (info, pool) = (Arc::clone(&self.info), Arc::clone(&self.pool));
        Storage::new(self.folder.path().into(), info, pool)
    }

    /// Puts all of the content on disk, around the storage.
    pub(crate) fn fill(&self) {
        self.storage.prepare().unwrap();
        let all = self.pieces.concat();
        let mut rest = all.as_slice();
        for file in self.info.files() {
            let (bytes, after) = rest.split_at(file.length as usize);
            rest = after;
            let mut path = self.folder.path().to_owned();
            path.extend(file.path.components());
            if file.kind == FileKind::Data {
                fs::write(path, bytes).unwrap();
            }
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn piece(&self, index: usize) -> (PieceIndex, &[u8]) {
        (PieceIndex::new(index as u32), &self.pieces[index])
    }

    /// The blocks of a piece as a download has them in memory: padding at the end left off.
    pub(crate) fn blocks(&self, piece: PieceIndex, length: usize) -> Vec<(u32, Vec<u8>)> {
        let bytes = &self.pieces[piece.as_usize()];
        let blocks = bytes.chunks(length).enumerate();
        blocks
            .map(|(slot, block)| ((slot * length) as u32, block.to_vec()))
            .filter(|(begin, block)| {
                let mut slices = self
                    .storage
                    .layout()
                    .slices(piece, *begin, block.len() as u32);
                slices.any(|slice| !slice.is_pad)
            })
            .collect()
    }

    /// What a read of the whole piece gives.
    pub(crate) fn read(&self, piece: PieceIndex) -> Result<Vec<u8>, crate::StorageError> {
        let length = self.storage.layout().piece_length(piece);
        let mut buffer = vec![0xee; length as usize];
        let begin = 0;
        let block = Block {
            piece,
            begin,
            length,
        };
        self.storage.read(block, &mut buffer).map(|()| buffer)
    }
}

/// A pool whose answers come one by one.
pub(crate) struct Disk {
    pub(crate) pool: Option<DiskPool<u32, Vec<u8>>>,
    answers: mpsc::Receiver<(u32, Done<Vec<u8>>)>,
}

impl Disk {
    pub(crate) fn new(threads: usize) -> Self {
        let (sender, answers) = mpsc::channel();
        let pool = DiskPool::new(threads, move |tag, done| {
            sender.send((tag, done)).expect("the test listens");
        });
        Self {
            pool: Some(pool),
            answers,
        }
    }

    pub(crate) fn submit(&self, world: &World, tag: u32, job: Job<Vec<u8>>) {
        let pool = self.pool.as_ref().expect("it is dropped at the end only");
        pool.submit(Arc::clone(&world.storage), tag, job);
    }

    pub(crate) fn answer(&self) -> (u32, Done<Vec<u8>>) {
        let answer = self.answers.recv_timeout(Duration::from_secs(60));
        answer.expect("an answer to every job")
    }

    /// Does one job and waits for it.
    pub(crate) fn run(&self, world: &World, job: Job<Vec<u8>>) -> Done<Vec<u8>> {
        self.submit(world, 7, job);
        let (tag, done) = self.answer();
        assert_eq!(tag, 7);
        done
    }
}

/// No two blocks alike, and no zeros but padding.
fn content_of(files: &[FileSpec<'_>]) -> Vec<u8> {
    let mut state: u32 = 1;
    let mut content = Vec::new();
    for (_, length, attributes) in files {
        content.extend((0..*length).map(|_| {
            state = state.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
            let byte = (state >> 24) as u8 | 1;
            if attributes.contains('p') { 0 } else { byte }
        }));
    }
    content
}

/// Written out by hand, so that these tests do not hang on a builder.
fn info(piece_length: usize, files: &[FileSpec<'_>], pieces: &[Vec<u8>]) -> Info {
    let mut bytes = b"d5:filesl".to_vec();
    for (path, length, attributes) in files {
        let mut entry = String::from("d");
        if !attributes.is_empty() {
            entry += &format!("4:attr{}:{attributes}", attributes.len());
        }
        entry += &format!("6:lengthi{length}e4:pathl");
        for name in path.split('/') {
            entry += &format!("{}:{name}", name.len());
        }
        bytes.extend_from_slice(entry.as_bytes());
        bytes.extend_from_slice(b"ee");
    }
    bytes.extend_from_slice(b"e4:name1:t");
    info_of(bytes, piece_length, pieces)
}

/// Of a dictionary that has all but what is said of pieces.
fn info_of(mut bytes: Vec<u8>, piece_length: usize, pieces: &[Vec<u8>]) -> Info {
    let hashes: Vec<u8> = pieces.iter().flat_map(|piece| sha1(piece)).collect();
    let tail = format!("12:piece lengthi{piece_length}e6:pieces{}:", hashes.len());
    bytes.extend_from_slice(tail.as_bytes());
    bytes.extend_from_slice(&hashes);
    bytes.push(b'e');
    Info::from_bytes(&bytes).unwrap()
}
