use std::{
    collections::BTreeSet,
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use bt_hash::sha1;
use proptest::prelude::*;

use super::*;
use crate::{
    ErrorKind, FilePool,
    check::check,
    faults::{Call, Outcome},
    testing::{Disk, FileSpec, World},
};

const FILES: &[FileSpec<'_>] = &[
    ("a", 100, ""),
    (".pad/28", 28, "p"),
    ("b/c", 90, ""),
    ("d", 75, ""),
];

#[test]
fn good_pieces_are_written() {
    let (world, disk) = world();
    for piece in world.storage.layout().pieces() {
        let blocks = world.blocks(piece, 16);
        let done = disk.run(
            &world,
            Job::Verify {
                piece,
                blocks,
                wants_digests: false,
            },
        );
        assert!(matches!(done, Done::Verified { piece: found, .. } if found == piece));
        assert_eq!(world.read(piece).unwrap(), world.pieces[piece.as_usize()]);
    }
}

#[test]
#[cfg(unix)]
fn the_time_of_hashing_is_counted_wherever_it_is_done() {
    let (world, disk) = world();
    let pieces: Vec<_> = world.storage.layout().pieces().collect();
    let mut before = Duration::ZERO;
    let mut grows = |what: &str| {
        let now = world.storage.hash_cpu_time();
        assert!(now > before, "{what}: {now:?}");
        before = now;
    };
    let blocks = world.blocks(pieces[0], 16);
    let verify = |piece, blocks| Job::Verify {
        piece,
        blocks,
        wants_digests: false,
    };
    disk.run(&world, verify(pieces[0], blocks));
    grows("a piece in memory");
    let mut blocks = world.blocks(pieces[1], 16);
    let spilled = blocks.split_off(1);
    let spill = Job::Spill {
        piece: pieces[1],
        blocks: spilled,
    };
    disk.run(&world, spill);
    disk.run(&world, verify(pieces[1], blocks));
    grows("a piece that was spilled");
    check(&world.storage, 2, &|_| (), &AtomicBool::new(false)).unwrap();
    grows("a check");
}

#[test]
fn corrupt_pieces_are_not_written_and_their_blocks_are_told_apart() {
    let (world, disk) = world();
    let piece = PieceIndex::new(0);
    let mut blocks = world.blocks(piece, 16);
    blocks[2].1[3] ^= 0x80;
    let digests: Vec<_> = blocks
        .iter()
        .map(|(begin, block)| (*begin, sha1(block)))
        .collect();
    blocks.reverse();
    match disk.run(
        &world,
        Job::Verify {
            piece,
            blocks,
            wants_digests: false,
        },
    ) {
        Done::Corrupt {
            piece: found,
            block_digests,
        } => assert_eq!((found, block_digests), (piece, digests)),
        done => panic!("{done:?}"),
    }
    assert!(!world.path("t/a").exists());
}

#[test]
fn zeros_in_the_place_of_padding_are_what_counts() {
    let (world, disk) = world();
    let piece = PieceIndex::new(1);
    // A peer may send anything for padding, which a read will give as zeros.
    let mut block = world.pieces[1].clone();
    block[50] = 0xff;
    let blocks = vec![(0, block)];
    let done = disk.run(
        &world,
        Job::Verify {
            piece,
            blocks,
            wants_digests: false,
        },
    );
    assert!(matches!(done, Done::Verified { .. }), "{done:?}");
    assert_eq!(world.read(piece).unwrap(), world.pieces[1]);
}

#[test]
fn spilled_blocks_are_read_back() {
    let (world, disk) = world();
    for piece in world.storage.layout().pieces() {
        let (spilled, kept): (Vec<_>, Vec<_>) = world
            .blocks(piece, 8)
            .into_iter()
            .partition(|(begin, _)| begin % 24 == 0);
        let blocks = spilled;
        let done = disk.run(&world, Job::Spill { piece, blocks });
        assert!(matches!(done, Done::Spilled { .. }), "{done:?}");
        let blocks = kept;
        let done = disk.run(
            &world,
            Job::Verify {
                piece,
                blocks,
                wants_digests: false,
            },
        );
        assert!(matches!(done, Done::Verified { .. }), "{done:?}");
        assert_eq!(world.read(piece).unwrap(), world.pieces[piece.as_usize()]);
    }
}

/// The wrong block is one that was spilled, and so is the right one behind it. The last block
/// is cut where padding begins, as it is requested.
#[test]
fn digests_of_spilled_blocks_are_told_too() {
    let files = &[("a", 80_000, ""), (".pad/18304", 18_304, "p"), ("b", 3, "")];
    let (world, disk) = (World::new(98_304, files), Disk::new(1));
    let piece = PieceIndex::new(0);
    let mut blocks = world.blocks(piece, 16_384);
    blocks[4].1.truncate(80_000 - 65_536);
    blocks[1].1[0] ^= 1;
    let digests: Vec<_> = blocks
        .iter()
        .map(|(begin, block)| (*begin, sha1(block)))
        .collect();
    let kept = vec![blocks.remove(2), blocks.remove(0)];
    world.storage.prepare().unwrap();
    disk.run(&world, Job::Spill { piece, blocks });
    match disk.run(
        &world,
        Job::Verify {
            piece,
            blocks: kept,
            wants_digests: false,
        },
    ) {
        Done::Corrupt { block_digests, .. } => assert_eq!(block_digests, digests),
        done => panic!("{done:?}"),
    }
}

/// In memory, spilled, or both, and with junk in the place of padding: what is told of the blocks
/// of a right piece depends on nothing but what will be read.
#[test]
fn digests_of_right_blocks_are_told_if_wanted() {
    let files = &[
        ("a", 70_000, ""),
        (".pad/2000", 2000, "p"),
        ("b", 26_304, ""),
    ];
    let (world, disk) = (World::new(98_304, files), Disk::new(1));
    let piece = PieceIndex::new(0);
    let mut blocks = world.blocks(piece, 16_384);
    let digest = |(begin, block): &(u32, Vec<u8>)| (*begin, sha1(block));
    let digests: Vec<_> = blocks.iter().map(digest).collect();
    blocks[4].1[70_000 - 65_536] = 0xee;
    world.storage.prepare().unwrap();
    for spilled in [&[][..], &[1], &[0, 4], &[0, 1, 2, 3, 4, 5]] {
        let (spilled, kept): (Vec<_>, Vec<_>) = blocks
            .clone()
            .into_iter()
            .partition(|(begin, _)| spilled.contains(&(begin / 16_384)));
        disk.run(
            &world,
            Job::Spill {
                piece,
                blocks: spilled,
            },
        );
        let job = Job::Verify {
            piece,
            blocks: kept,
            wants_digests: true,
        };
        match disk.run(&world, job) {
            Done::Verified { block_digests, .. } => assert_eq!(block_digests, digests),
            done => panic!("{done:?}"),
        }
    }
}

#[test]
fn pieces_of_v2_torrents_are_verified_block_by_block() {
    let (world, disk) = (World::v2(), Disk::new(2));
    world.storage.prepare().unwrap();
    for piece in world.storage.layout().pieces() {
        let mut wrong = world.blocks(piece, 16_384);
        wrong[0].1[99] ^= 1;
        let done = disk.run(
            &world,
            Job::Verify {
                piece,
                blocks: wrong,
                wants_digests: false,
            },
        );
        assert!(matches!(done, Done::Corrupt { .. }), "{done:?}");

        // Also off the grid of hashed blocks, and with a part that is read back.
        let mut blocks = world.blocks(piece, 10_000);
        let spilled = blocks.split_off(1.min(blocks.len() - 1));
        disk.run(
            &world,
            Job::Spill {
                piece,
                blocks: spilled,
            },
        );
        let done = disk.run(
            &world,
            Job::Verify {
                piece,
                blocks,
                wants_digests: false,
            },
        );
        assert!(matches!(done, Done::Verified { .. }), "{done:?}");
        assert_eq!(world.read(piece).unwrap(), world.pieces[piece.as_usize()]);
    }
}

/// More than is read back at once, on both sides of a block that is in memory.
#[test]
fn huge_pieces_are_read_back_in_parts() {
    let length = 3 << 20;
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&largest);
    let pool = FilePool::with_faults(4, move |call, bytes| {
        if call == Call::Read {
            seen.fetch_max(bytes, Ordering::Relaxed);
        }
        Outcome::Proceed
    });
    let world = World::with_pool(length, &[("a", length, "")], pool);
    let disk = Disk::new(1);
    let piece = PieceIndex::new(0);
    let mut blocks = world.blocks(piece, 16_384);
    let kept = vec![blocks.remove(100)];
    disk.run(&world, Job::Spill { piece, blocks });
    let done = disk.run(
        &world,
        Job::Verify {
            piece,
            blocks: kept,
            wants_digests: false,
        },
    );
    assert!(matches!(done, Done::Verified { .. }), "{done:?}");
    assert_eq!(largest.load(Ordering::Relaxed), 1 << 20);
    assert_eq!(world.read(piece).unwrap(), world.pieces[0]);
}

#[test]
fn jobs_about_one_piece_keep_their_order() {
    let world = World::new(64, FILES);
    world.storage.prepare().unwrap();
    let disk = Disk::new(4);
    for round in 0..50 {
        let mut waiting = BTreeSet::new();
        for piece in world.storage.layout().pieces() {
            let mut blocks = world.blocks(piece, 4);
            let kept = blocks.split_off(blocks.len() / 2);
            disk.submit(&world, 2 * piece.get(), Job::Spill { piece, blocks });
            disk.submit(
                &world,
                2 * piece.get() + 1,
                Job::Verify {
                    piece,
                    blocks: kept,
                    wants_digests: false,
                },
            );
            waiting.extend([2 * piece.get(), 2 * piece.get() + 1]);
        }
        while !waiting.is_empty() {
            let (tag, done) = disk.answer();
            assert!(
                matches!(done, Done::Spilled { .. } | Done::Verified { .. }),
                "{done:?}"
            );
            assert!(waiting.remove(&tag), "an answer twice in round {round}");
            assert!(
                tag % 2 == 0 || !waiting.contains(&(tag - 1)),
                "piece {}",
                tag / 2
            );
        }
        for piece in world.storage.layout().pieces() {
            let zeros = vec![0; world.pieces[piece.as_usize()].len()];
            world.storage.write(piece, &[(0, &zeros)]).unwrap();
        }
    }
}

#[test]
fn blocks_are_read() {
    let (world, disk) = world();
    world.fill();
    let piece = PieceIndex::new(1);
    let (begin, length) = (30, 20);
    let block = Block {
        piece,
        begin,
        length,
    };
    let buffer = vec![9; 20];
    match disk.run(&world, Job::Read { block, buffer }) {
        Done::Read { buffer, .. } => assert_eq!(buffer, world.pieces[1][30..50]),
        done => panic!("{done:?}"),
    }
    std::fs::remove_file(world.path("t/a")).unwrap();
    world.storage.close_files();
    let buffer = vec![9; 20];
    match disk.run(&world, Job::Read { block, buffer }) {
        Done::Failed {
            what,
            blocks,
            error,
        } => {
            assert_eq!((what, blocks), (FailedJob::Read { block }, vec![]));
            assert_eq!(error.kind, ErrorKind::Missing);
        }
        done => panic!("{done:?}"),
    }
}

#[test]
fn what_could_not_be_written_comes_back_and_can_be_written_again() {
    let is_full = Arc::new(AtomicBool::new(true));
    let full = Arc::clone(&is_full);
    let pool = FilePool::with_faults(4, move |call, _| {
        match call == Call::Write && full.load(Ordering::Relaxed) {
            true => Outcome::Fail(io::ErrorKind::StorageFull.into()),
            false => Outcome::Proceed,
        }
    });
    let (world, disk) = (World::with_pool(64, FILES, pool), Disk::new(2));
    world.storage.prepare().unwrap();
    let (piece, _) = world.piece(2);
    let all = world.blocks(piece, 16);
    let verify = |blocks, wants_digests| Job::Verify {
        piece,
        blocks,
        wants_digests,
    };
    let refused = |job| match disk.run(&world, job) {
        Done::Failed { blocks, error, .. } => {
            assert_eq!(error.kind, ErrorKind::Full);
            blocks
        }
        done => panic!("{done:?}"),
    };
    for wants_digests in [false, true] {
        assert_eq!(refused(verify(all.clone(), wants_digests)), all);
    }
    let blocks = all.clone();
    let blocks = refused(Job::Spill { piece, blocks });
    assert_eq!(blocks, all);
    is_full.store(false, Ordering::Relaxed);
    let done = disk.run(&world, verify(blocks, false));
    assert!(matches!(done, Done::Verified { .. }), "{done:?}");
    assert_eq!(world.read(piece).unwrap(), world.pieces[2]);
}

#[test]
fn pieces_of_files_that_are_not_all_there_are_found_without_reading() {
    let pool = FilePool::with_faults(4, |call, _| {
        assert_ne!(call, Call::Read);
        Outcome::Proceed
    });
    let (world, disk) = (World::with_pool(64, FILES, pool), Disk::new(1));
    let missing = || match disk.run(&world, Job::Survey) {
        Done::Surveyed { missing, .. } => {
            missing.into_iter().map(PieceIndex::get).collect::<Vec<_>>()
        }
        done => panic!("{done:?}"),
    };
    assert_eq!(missing(), [0, 1, 2, 3, 4]);
    world.fill();
    assert_eq!(missing(), []);
    let file = std::fs::File::options()
        .write(true)
        .open(world.path("t/b/c"));
    file.unwrap().set_len(80).unwrap();
    assert_eq!(missing(), [3]);
    std::fs::remove_dir_all(world.path("t/b")).unwrap();
    assert_eq!(missing(), [2, 3]);
}

#[test]
fn queued_jobs_are_finished_when_the_pool_goes() {
    let (world, mut disk) = world();
    for round in 0..20 {
        for piece in world.storage.layout().pieces() {
            let blocks = world.blocks(piece, 16);
            disk.submit(
                &world,
                round * 10 + piece.get(),
                Job::Verify {
                    piece,
                    blocks,
                    wants_digests: false,
                },
            );
        }
    }
    drop(disk.pool.take());
    let answered: BTreeSet<u32> = (0..100).map(|_| disk.answer().0).collect();
    assert_eq!(answered.len(), 100);
}

#[test]
fn buffers_are_free_when_the_answer_comes() {
    struct Counted(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl AsMut<[u8]> for Counted {
        fn as_mut(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let world = World::new(64, FILES);
    world.storage.prepare().unwrap();
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, answers) = mpsc::channel();
    let seen = Arc::clone(&live);
    let pool = DiskPool::new(1, move |(), _: Done<Counted>| {
        sender.send(seen.load(Ordering::SeqCst)).unwrap();
    });
    for piece in world.storage.layout().pieces() {
        let blocks = world.blocks(piece, 16).into_iter().map(|(begin, block)| {
            live.fetch_add(1, Ordering::SeqCst);
            (begin, Counted(block, Arc::clone(&live)))
        });
        let blocks = blocks.collect();
        pool.submit(
            Arc::clone(&world.storage),
            (),
            Job::Verify {
                piece,
                blocks,
                wants_digests: false,
            },
        );
        assert_eq!(answers.recv_timeout(Duration::from_secs(60)), Ok(0));
    }
}

#[test]
fn a_panic_in_the_callback_stops_nothing() {
    let world = World::new(64, FILES);
    world.storage.prepare().unwrap();
    let (sender, answers) = mpsc::channel();
    let pool = DiskPool::new(1, move |tag: u32, _| {
        assert!(tag > 0, "for the test");
        sender.send(tag).unwrap();
    });
    for tag in 0..4 {
        let piece = PieceIndex::new(0);
        let blocks = world.blocks(piece, 16);
        pool.submit(
            Arc::clone(&world.storage),
            tag,
            Job::Verify {
                piece,
                blocks,
                wants_digests: false,
            },
        );
    }
    drop(pool);
    assert_eq!(answers.iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
#[should_panic(expected = "blocks of piece 0 overlap at 8")]
fn overlapping_blocks_are_the_caller_s_mistake() {
    let (world, disk) = world();
    let blocks = vec![(8, vec![0; 16]), (0, vec![0; 16])];
    let piece = PieceIndex::new(0);
    disk.submit(&world, 0, Job::Spill { piece, blocks });
}

#[derive(Clone, Debug)]
enum Operation {
    Verify {
        piece: usize,
        kept: u64,
        flip: Option<usize>,
    },
    Spill {
        piece: usize,
        blocks: u64,
    },
    Close,
}

fn operation() -> impl Strategy<Value = Operation> {
    let flip = prop::option::weighted(0.2, any::<usize>());
    prop_oneof![
        4 => (0..5usize, any::<u64>(), flip).prop_map(|(piece, kept, flip)| Operation::Verify { piece, kept, flip }),
        3 => (0..5usize, any::<u64>()).prop_map(|(piece, blocks)| Operation::Spill { piece, blocks }),
        1 => Just(Operation::Close),
    ]
}

/// What happens to the calls to the disk, by their number.
fn faults() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..80usize, 0..5u8), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the disk does, a piece that is reported as verified reads back right, and a job
    /// that is not disturbed ends as it should.
    #[test]
    fn verified_pieces_read_back_right(
        operations in prop::collection::vec(operation(), 1..30),
        faults in faults(),
    ) {
        let calm = Arc::new(Mutex::new(false));
        let hits = Arc::new(AtomicUsize::new(0));
        let pool = {
            let (calm, hits) = (Arc::clone(&calm), Arc::clone(&hits));
            let calls = AtomicUsize::new(0);
            FilePool::with_faults(2, move |_, bytes| {
                if *calm.lock().unwrap() {
                    return Outcome::Proceed;
                }
                let number = calls.fetch_add(1, Ordering::Relaxed);
                match faults.iter().find(|fault| fault.0 == number).map(|fault| fault.1) {
                    None => Outcome::Proceed,
                    Some(1) => Outcome::Short(bytes / 2 + 1),
                    Some(kind) => {
                        hits.fetch_add(1, Ordering::Relaxed);
                        match kind {
                            2 => Outcome::Short(0),
                            3 => Outcome::Fail(io::ErrorKind::StorageFull.into()),
                            _ => Outcome::Fail(io::Error::other("input/output error")),
                        }
                    }
                }
            })
        };
        let world = World::with_pool(64, FILES, pool);
        *calm.lock().unwrap() = true;
        world.storage.prepare().unwrap();
        *calm.lock().unwrap() = false;
        let disk = Disk::new(1);
        // What is on disk of each piece, by block of 8 bytes: known to be right?
        let mut spilled = vec![[false; 8]; world.pieces.len()];
        for operation in operations {
            let before = hits.load(Ordering::Relaxed);
            let disturbed = || hits.load(Ordering::Relaxed) > before;
            match operation {
                Operation::Close => world.storage.close_files(),
                Operation::Spill { piece, blocks: chosen } => {
                    let index = PieceIndex::new(piece as u32);
                    let mut blocks = world.blocks(index, 8);
                    blocks.retain(|(begin, _)| chosen >> (begin / 8) & 1 == 1);
                    let slots: Vec<_> = blocks.iter().map(|(begin, _)| *begin as usize / 8).collect();
                    match disk.run(&world, Job::Spill { piece: index, blocks }) {
                        Done::Spilled { .. } => slots.iter().for_each(|slot| spilled[piece][*slot] = true),
                        Done::Failed { .. } => prop_assert!(disturbed()),
                        done => panic!("{done:?}"),
                    }
                }
                Operation::Verify { piece, kept, flip } => {
                    let index = PieceIndex::new(piece as u32);
                    let mut blocks = world.blocks(index, 8);
                    blocks.retain(|(begin, _)| kept >> (begin / 8) & 1 == 1 || !spilled[piece][*begin as usize / 8]);
                    let flipped = flip.filter(|_| !blocks.is_empty()).map(|position| {
                        let chosen = position % blocks.len();
                        blocks[chosen].1[0] ^= 1;
                    });
                    // Padding may be flipped too, which does not count.
                    let mut cleared = blocks.clone();
                    for (begin, block) in &mut cleared {
                        world.storage.clear_padding(index, *begin, block);
                    }
                    let wrong = flipped.is_some() && cleared.iter().any(|(begin, block)| {
                        world.pieces[piece][*begin as usize..][..block.len()] != **block
                    });
                    match disk.run(&world, Job::Verify { piece: index, blocks, wants_digests: false }) {
                        Done::Verified { .. } => {
                            prop_assert!(!wrong);
                            *calm.lock().unwrap() = true;
                            prop_assert_eq!(&world.read(index).unwrap(), &world.pieces[piece]);
                            *calm.lock().unwrap() = false;
                            spilled[piece] = [true; 8];
                        }
                        Done::Corrupt { .. } => prop_assert!(wrong),
                        Done::Failed { .. } => prop_assert!(disturbed()),
                        done => panic!("{done:?}"),
                    }
                }
            }
        }
    }
}

fn world() -> (World, Disk) {
    let world = World::new(64, FILES);
    world.storage.prepare().unwrap();
    (world, Disk::new(2))
}
