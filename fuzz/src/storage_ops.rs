//! Operations on a small torrent, on a disk that fails at times, against a model of bytes.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
};

use arbitrary::{Arbitrary, Unstructured};
use bt_hash::sha1;
use bt_metainfo::{Info, InfoBuilder, MetainfoError};
use bt_storage::{
    FilePool, Storage,
    check::check,
    disk::{DiskPool, Done, Job},
    faults::Outcome,
};
use bt_types::{Bitfield, Block, PieceIndex, Priority, Selection};

/// A torrent and what is done to it.
#[derive(Arbitrary, Debug)]
struct Input {
    piece_length: u8,
    files: Vec<FileOf>,
    /// What the disk does at its n-th call.
    faults: HashMap<u8, Fault>,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
struct FileOf {
    length: u8,
    is_pad: bool,
    is_deep: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Fault {
    Short(u8),
    Full,
    Broken,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    /// Any bytes, straight to their place.
    Write {
        piece: u8,
        begin: u8,
        bytes: Vec<u8>,
    },
    Read {
        piece: u8,
        begin: u8,
        length: u8,
    },
    /// The right bytes of some blocks, of 8 bytes each.
    Spill {
        piece: u8,
        blocks: u32,
    },
    /// A piece, some blocks of which are in memory, one perhaps with a flipped bit.
    Verify {
        piece: u8,
        kept: u32,
        flip: Option<u8>,
    },
    Check {
        threads: u8,
    },
    CloseFiles,
    Prepare,
    /// Which files are wanted from now on.
    Select {
        files: u8,
    },
}

/// Takes bytes that `arbitrary` decodes.
pub fn run(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(input) = Input::arbitrary(&mut source) else {
        return;
    };
    let Some(mut world) = World::new(&input) else {
        return;
    };
    for operation in input.operations.iter().take(MAX_OPERATIONS) {
        world.step(operation);
    }
    world.compare_all();
}

struct World {
    storage: Arc<Storage>,
    /// What the info dictionary promises.
    right: Vec<Vec<u8>>,
    /// What is on disk: `None` where it is not known, because nothing or half of something was
    /// written there.
    model: Vec<Vec<Option<u8>>>,
    disk: DiskPool<(), Vec<u8>>,
    answers: mpsc::Receiver<Done<Vec<u8>>>,
    /// While it is set, the disk works.
    calm: Arc<AtomicBool>,
    /// How many calls the disk has failed.
    hits: Arc<AtomicUsize>,
    /// Pieces may be in the part file.
    has_selected: bool,
    folder: Folder,
}

impl World {
    fn new(input: &Input) -> Option<Self> {
        let piece_length = 1 + usize::from(input.piece_length) % 100;
        let files = &input.files[..input.files.len().min(MAX_FILES)];
        let content = files.iter().zip(1..).flat_map(|(file, number)| {
            let byte = move |index: u8| {
                if file.is_pad {
                    0
                } else {
                    number ^ index.wrapping_mul(7)
                }
            };
            (0..file.length).map(byte)
        });
        let content: Vec<u8> = content.collect();
        let right: Vec<_> = content.chunks(piece_length).map(<[u8]>::to_vec).collect();
        // No data at all, for instance.
        let info = info(piece_length, files, &right).ok()?;

        let (calm, hits) = (
            Arc::new(AtomicBool::new(true)),
            Arc::new(AtomicUsize::new(0)),
        );
        let pool = FilePool::with_faults(2, {
            let (calm, hits, faults) = (calm.clone(), hits.clone(), input.faults.clone());
            let calls = AtomicUsize::new(0);
            move |_, bytes| {
                if calm.load(Ordering::SeqCst) {
                    return Outcome::Proceed;
                }
                let number = calls.fetch_add(1, Ordering::SeqCst);
                let fault = u8::try_from(number)
                    .ok()
                    .and_then(|number| faults.get(&number));
                match fault {
                    None => return Outcome::Proceed,
                    Some(Fault::Short(length)) if *length > 0 && bytes > 0 => {
                        return Outcome::Short(usize::from(*length));
                    }
                    Some(_) => {}
                }
                hits.fetch_add(1, Ordering::SeqCst);
                match fault {
                    Some(Fault::Short(_)) => Outcome::Short(0),
                    Some(Fault::Full) => Outcome::Fail(io::ErrorKind::StorageFull.into()),
                    _ => Outcome::Fail(io::Error::other("broken")),
                }
            }
        });
        let folder = Folder::new();
        let storage = Storage::new(folder.0.clone(), Arc::new(info), Arc::new(pool));
        storage.prepare().expect("a folder of our own");
        let (sender, answers) = mpsc::channel();
        let disk = DiskPool::new(1, move |(), done| {
            // The receiver has gone only if a check below has failed.
            let _ = sender.send(done);
        });
        let mut model: Vec<Vec<_>> = right.iter().map(|piece| vec![None; piece.len()]).collect();
        for (place, piece) in model.iter_mut().zip(storage.layout().pieces()) {
            for (index, byte) in place.iter_mut().enumerate() {
                if is_pad(&storage, piece, index) {
                    *byte = Some(0);
                }
            }
        }
        Some(Self {
            storage: Arc::new(storage),
            right,
            model,
            disk,
            answers,
            calm,
            hits,
            has_selected: false,
            folder,
        })
    }

    fn step(&mut self, operation: &Operation) {
        let before = self.hits.load(Ordering::SeqCst);
        self.calm.store(false, Ordering::SeqCst);
        match operation {
            Operation::Write {
                piece,
                begin,
                bytes,
            } => {
                let piece = self.piece(*piece);
                let end = self.right[piece.as_usize()].len();
                let begin = usize::from(*begin) % end;
                let bytes = &bytes[..bytes.len().min(end - begin)];
                let written = self.storage.write(piece, &[(begin as u32, bytes)]);
                self.wrote(piece, begin, bytes, written.is_ok());
                assert!(written.is_ok() || self.was_hit(before), "{written:?}");
            }
            Operation::Read {
                piece,
                begin,
                length,
            } => {
                let piece = self.piece(*piece);
                let end = self.right[piece.as_usize()].len();
                let begin = usize::from(*begin) % end;
                let length = (1 + usize::from(*length)).min(end - begin);
                let block = Block {
                    piece,
                    begin: begin as u32,
                    length: length as u32,
                };
                let buffer = vec![0xaa; length];
                let known = &self.model[piece.as_usize()][begin..][..length];
                match self.run_job(Job::Read { block, buffer }) {
                    Done::Read { buffer, .. } => assert_matches(known, &buffer),
                    Done::Failed { .. } => {
                        assert!(self.was_hit(before) || known.contains(&None));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Operation::Spill { piece, blocks } => {
                let piece = self.piece(*piece);
                let blocks = self.blocks(piece, |slot| blocks >> (slot % 32) & 1 == 1);
                let done = self.run_job(Job::Spill {
                    piece,
                    blocks: blocks.clone(),
                });
                let is_written = matches!(done, Done::Spilled { .. });
                assert!(is_written || self.was_hit(before), "{done:?}");
                for (begin, bytes) in blocks {
                    self.wrote(piece, begin as usize, &bytes, is_written);
                }
            }
            Operation::Verify { piece, kept, flip } => {
                self.verify(self.piece(*piece), *kept, *flip, before);
            }
            Operation::Check { threads } => {
                let threads = usize::from(threads % 3);
                let checked = check(&self.storage, threads, &|_| (), &AtomicBool::new(false));
                match checked {
                    Ok(checked) if !self.was_hit(before) => self.compare_check(&checked.have),
                    checked => assert!(self.was_hit(before), "{checked:?}"),
                }
                if self.has_selected {
                    self.forget_what_is_not_right();
                }
            }
            Operation::CloseFiles => self.storage.close_files(),
            Operation::Prepare => {
                let prepared = self.storage.prepare();
                assert!(prepared.is_ok() || self.was_hit(before), "{prepared:?}");
            }
            Operation::Select { files } => {
                let wanted = (0..MAX_FILES).map(|file| match files >> file & 1 {
                    0 => Priority::Normal,
                    _ => Priority::Skip,
                });
                self.has_selected = true;
                let selected = self.storage.set_selection(&Selection::of_files(wanted));
                assert!(selected.is_ok() || self.was_hit(before), "{selected:?}");
            }
        }
        self.calm.store(true, Ordering::SeqCst);
    }

    fn verify(&mut self, piece: PieceIndex, kept: u32, flip: Option<u8>, before: usize) {
        let place = &self.model[piece.as_usize()];
        let right = &self.right[piece.as_usize()];
        // What is not known to be right on disk has to be in memory.
        let is_needed = |slot: usize| {
            let range = slot * BLOCK..right.len().min((slot + 1) * BLOCK);
            place[range.clone()].iter().any(Option::is_none) || kept >> (slot % 32) & 1 == 1
        };
        let mut blocks = self.blocks(piece, is_needed);
        if let (Some(flip), false) = (flip, blocks.is_empty()) {
            let chosen = usize::from(flip) % blocks.len();
            blocks[chosen].1[0] ^= 1;
        }
        let mut whole: Vec<u8> = place.iter().map(|byte| byte.unwrap_or(0)).collect();
        for (begin, bytes) in &blocks {
            whole[*begin as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        for (index, byte) in whole.iter_mut().enumerate() {
            if is_pad(&self.storage, piece, index) {
                *byte = 0;
            }
        }
        let is_right = whole == *right;
        match self.run_job(Job::Verify {
            piece,
            blocks: blocks.clone(),
            wants_digests: piece.get() % 2 == 1,
        }) {
            Done::Verified { .. } => {
                assert!(is_right, "wrong bytes passed for piece {piece}");
                for (begin, bytes) in blocks {
                    self.wrote(piece, begin as usize, &bytes, true);
                }
                self.compare(piece);
            }
            Done::Corrupt { .. } => assert!(!is_right, "right bytes refused for piece {piece}"),
            Done::Failed { error, .. } => {
                assert!(self.was_hit(before), "{error}");
                for (begin, bytes) in blocks {
                    self.wrote(piece, begin as usize, &bytes, false);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn compare_all(&self) {
        for piece in self.storage.layout().pieces() {
            self.compare(piece);
        }
        // Nothing but what the torrent names is there, and what is kept beside it.
        let part_file = self.storage.part_file();
        let mut entries = std::fs::read_dir(&self.folder.0).expect("our folder");
        let is_ours =
            |entry: std::fs::DirEntry| entry.file_name() == "t" || entry.path() == part_file;
        assert!(entries.all(|entry| entry.is_ok_and(is_ours)));
    }

    /// Reads a piece on a calm disk, whole if all of it is known, else byte by byte.
    fn compare(&self, piece: PieceIndex) {
        let was_calm = self.calm.swap(true, Ordering::SeqCst);
        let known = &self.model[piece.as_usize()];
        let step = if known.contains(&None) {
            1
        } else {
            known.len()
        };
        for (index, known) in known.chunks(step).enumerate() {
            let begin = (index * step) as u32;
            let mut found = vec![0xaa; known.len()];
            let block = Block {
                piece,
                begin,
                length: known.len() as u32,
            };
            match self.storage.read(block, &mut found) {
                Ok(()) => assert_matches(known, &found),
                Err(error) => assert!(known.contains(&None), "{error}"),
            }
        }
        self.calm.store(was_calm, Ordering::SeqCst);
    }

    /// What is known as a whole is found right or wrong. But what is wrong in the part file may still
    /// be right in the files, where it was before.
    fn compare_check(&mut self, have: &Bitfield) {
        for piece in self.storage.layout().pieces() {
            let right = self.right[piece.as_usize()].iter().copied().map(Some);
            let place = &mut self.model[piece.as_usize()];
            if place.iter().all(Option::is_some) {
                let is_right = place.iter().copied().eq(right.clone());
                let may_be_found = self.has_selected && have.get(piece);
                assert!(have.get(piece) == is_right || may_be_found, "piece {piece}");
            }
            if have.get(piece) {
                place.clear();
                place.extend(right);
            }
        }
    }

    /// A check gives up what is in the part file of a piece that is not right as a whole.
    fn forget_what_is_not_right(&mut self) {
        for piece in self.storage.layout().pieces() {
            let right = &self.right[piece.as_usize()];
            let place = &mut self.model[piece.as_usize()];
            let known = place.iter().copied();
            if known.eq(right.iter().copied().map(Some)) {
                continue;
            }
            for (index, byte) in place.iter_mut().enumerate() {
                if !is_pad(&self.storage, piece, index) {
                    *byte = None;
                }
            }
        }
    }

    fn wrote(&mut self, piece: PieceIndex, begin: usize, bytes: &[u8], is_written: bool) {
        for (index, byte) in (begin..).zip(bytes) {
            if !is_pad(&self.storage, piece, index) {
                self.model[piece.as_usize()][index] = is_written.then_some(*byte);
            }
        }
    }

    fn blocks(&self, piece: PieceIndex, chosen: impl Fn(usize) -> bool) -> Vec<(u32, Vec<u8>)> {
        let blocks = self.right[piece.as_usize()].chunks(BLOCK).enumerate();
        blocks
            .filter(|(slot, _)| chosen(*slot))
            .map(|(slot, block)| ((slot * BLOCK) as u32, block.to_vec()))
            .collect()
    }

    fn run_job(&self, job: Job<Vec<u8>>) -> Done<Vec<u8>> {
        self.disk.submit(self.storage.clone(), (), job);
        self.answers.recv().expect("an answer to every job")
    }

    fn was_hit(&self, before: usize) -> bool {
        self.hits.load(Ordering::SeqCst) > before
    }

    fn piece(&self, number: u8) -> PieceIndex {
        PieceIndex::new(u32::from(number) % self.storage.layout().piece_count())
    }
}

/// A folder of our own that goes when we do.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bt-storage-ops-{}-{number}", std::process::id());
        // In memory, where there is such a place: a run is thousands of small calls.
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let path = parent.join(name);
        std::fs::create_dir(&path).expect("a new folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is small, and in the folder for that.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn assert_matches(known: &[Option<u8>], found: &[u8]) {
    let differs = |(known, found): (&Option<u8>, &u8)| known.is_some_and(|known| known != *found);
    assert!(
        !known.iter().zip(found).any(differs),
        "{found:?} read, {known:?} expected"
    );
}

fn is_pad(storage: &Storage, piece: PieceIndex, index: usize) -> bool {
    let mut slices = storage.layout().slices(piece, index as u32, 1);
    slices.any(|slice| slice.is_pad)
}

fn info(piece_length: usize, files: &[FileOf], pieces: &[Vec<u8>]) -> Result<Info, MetainfoError> {
    let builder = InfoBuilder::new("t", piece_length as u32);
    let add = |builder: InfoBuilder, (number, file): (usize, &FileOf)| {
        let name = format!("f{number}");
        let length = u64::from(file.length);
        match (file.is_pad, file.is_deep) {
            (true, _) => builder.pad(length),
            (_, true) => builder.file(["d", "e", &name], length),
            (_, false) => builder.file([name], length),
        }
    };
    let builder = files.iter().enumerate().fold(builder, add);
    builder
        .pieces(pieces.iter().map(|piece| sha1(piece)))
        .build()
}

const BLOCK: usize = 8;
const MAX_FILES: usize = 6;
const MAX_OPERATIONS: usize = 40;
