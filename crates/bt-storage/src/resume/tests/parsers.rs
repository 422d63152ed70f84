//! Records and journals of any content.

use std::collections::BTreeSet;

use bt_types::{
    FileIndex, InfoHash, InfoHashV2, PartialPiece, PieceIndex, ResumeState, TorrentIds, Totals,
};
use proptest::prelude::*;

use crate::resume::{
    Beside, BootId, Entry, FileTime, Reader, Record, RecordError, Stamp, encode_entry, header,
};

/// What version 1 looks like, for ever.
#[test]
fn a_record_of_version_1_is_read() {
    let record = example();
    assert_eq!(
        record.encode(),
        GOLDEN,
        "{}",
        record.encode().escape_ascii()
    );
    assert_eq!(Record::decode(GOLDEN), Ok(record));
}

#[test]
fn other_versions_are_not_believed() {
    for (version, expected) in [("0", 0), ("4", 4), ("-1", -1), ("99", 99)] {
        let bytes = replaced(GOLDEN, "7:versioni1e", &format!("7:versioni{version}e"));
        assert_eq!(
            Record::decode(&bytes),
            Err(RecordError::Version(expected)),
            "{version}"
        );
    }
}

#[test]
fn a_record_with_a_part_file_is_of_version_2() {
    let record = Record {
        beside: Beside {
            left_out: [FileIndex(1)].into(),
            pieces: [PieceIndex::new(8)].into(),
            stamp: Some(stamp(400)),
        },
        ..example()
    };
    let bytes = record.encode();
    assert!(bytes.ends_with(b"7:versioni2ee"));
    assert_eq!(Record::decode(&bytes), Ok(record));
}

#[test]
fn a_record_with_files_that_could_not_be_synced_is_of_version_3() {
    let record = Record {
        not_synced: [FileIndex(1), PART_FILE].into(),
        ..example()
    };
    let bytes = record.encode();
    assert!(bytes.ends_with(b"7:versioni3ee"));
    assert_eq!(Record::decode(&bytes), Ok(record));
}

#[test]
fn keys_of_later_versions_are_passed_over() {
    let with_more = resealed(|record| replaced(record, "7:partial", "5:otheri7e7:partial"));
    assert_eq!(Record::decode(&with_more), Ok(example()));
}

#[test]
fn records_that_contradict_themselves_are_not_believed() {
    let cases: [(&str, &[u8], &[u8]); 10] = [
        (
            "bits beyond the end",
            b"7:written2:\x80\x80",
            b"7:written2:\x80\x81",
        ),
        ("more pieces than bits", b"6:piecesi10e", b"6:piecesi18e"),
        (
            "synced but not written",
            b"6:synced2:\x80\0",
            b"6:synced2:\x40\0",
        ),
        (
            "a partial piece that is written",
            b"5:piecei3e",
            b"5:piecei0e",
        ),
        (
            "a partial piece that is not there",
            b"5:piecei3e",
            b"5:piecei10e",
        ),
        (
            "a partial piece without blocks",
            b"5:slots1:\xa0",
            b"5:slots1:\0",
        ),
        ("a size below zero", b"8:uploadedi6e", b"8:uploadedi-6e"),
        ("neither clean nor not", b"5:cleani1e", b"5:cleani2e"),
        ("half a stamp", b"5:files64:", b"5:files63:"),
        ("an id that is too short", b"2:v120:a", b"2:v119:"),
    ];
    for (what, from, to) in cases {
        let bytes = resealed(|record| replaced_bytes(record, from, to));
        assert!(Record::decode(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_damaged_record_is_not_believed() {
    for length in 0..GOLDEN.len() {
        assert!(
            Record::decode(&GOLDEN[..length]).is_err(),
            "cut to {length}"
        );
    }
    for bit in 0..GOLDEN.len() * 8 {
        let mut bytes = GOLDEN.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::decode(&bytes).is_err(), "bit {bit}");
    }
    assert!(Record::decode(&[GOLDEN, b" "].concat()).is_err());
}

#[test]
fn a_torn_journal_ends_where_it_is_torn() {
    let entries = entries();
    let (bytes, ends) = journal(&entries);
    for length in 0..=bytes.len() {
        let whole = ends.iter().filter(|end| **end <= length).count();
        let found = read(&bytes[..length]);
        let expected = (length >= ends[0]).then(|| entries[..whole - 1].to_vec());
        assert_eq!(found, expected, "cut to {length}");
        // What lay there before, or zeros.
        let zeros = [&bytes[..length], &[0; 100]].concat();
        assert_eq!(read(&zeros), expected, "zeros from {length}");
        if length < bytes.len() {
            let mut flipped = bytes.clone();
            flipped[length] ^= 4;
            let read = read(&flipped).unwrap_or_default();
            assert_eq!(
                read,
                entries[..whole.saturating_sub(1)],
                "flipped at {length}"
            );
        }
    }
}

#[test]
fn entries_fit_nowhere_else() {
    let entries = entries();
    let (bytes, ends) = journal(&entries);
    let mut found = Reader::new(&*bytes, b"another record").unwrap();
    assert!(found.is_none());
    // The second entry without the first.
    let moved = [&bytes[..ends[0]], &bytes[ends[1]..]].concat();
    found = Reader::new(&*moved, RECORD).unwrap();
    assert_eq!(found.unwrap().next_entry().unwrap(), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in records()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Record::decode(&bytes).is_err());
        let _ = read(&bytes);
        let _ = read(&[header(RECORD), bytes].concat());
    }
}

fn records() -> impl Strategy<Value = Record> {
    let bits = prop::collection::vec(0..4_u8, 1..200);
    let stamps = prop::collection::vec(prop::option::of(stamp_of_any_file()), 0..9);
    let slots = prop::collection::btree_set(0..40_u32, 1..9);
    let totals = (0..=i64::MAX as u64, 0..=i64::MAX as u64);
    let boot = prop::option::of(prop::collection::vec(any::<u8>(), 1..64));
    let ids = (any::<[u8; 20]>(), any::<[u8; 32]>(), 0..3);
    let beside = (
        any::<u16>(),
        any::<u64>(),
        prop::option::of(stamp_of_any_file()),
    );
    let not_synced = prop_oneof![Just(0_u16), any::<u16>()];
    let all = (
        bits,
        stamps,
        (beside, not_synced),
        slots,
        totals,
        boot,
        ids,
        any::<bool>(),
    );
    all.prop_map(
        |(bits, files, (beside, not_synced), slots, totals, boot, ids, is_clean)| {
            let (v1, v2) = (InfoHash(ids.0), InfoHashV2(ids.1));
            let ids = match ids.2 {
                0 => TorrentIds::v1_only(v1),
                1 => TorrentIds::v2_only(v2),
                _ => TorrentIds::hybrid(v1, v2),
            };
            let mut state = ResumeState::nothing(ids, bits.len() as u32);
            for (piece, level) in (0..).map(PieceIndex::new).zip(bits) {
                match level {
                    0 => {}
                    1 => state.partial.push(PartialPiece {
                        piece,
                        slots: slots.iter().copied().collect(),
                    }),
                    level => {
                        state.written.insert(piece);
                        if level == 3 {
                            state.synced.insert(piece);
                        }
                    }
                }
            }
            (state.totals.downloaded, state.totals.uploaded) = totals;
            let left_out = (0..)
                .zip(&files)
                .filter(|(file, _)| beside.0 >> file & 1 == 1);
            let in_part_file = state
                .written
                .iter_ones()
                .filter(|piece| beside.1 >> (piece.get() % 64) & 1 == 1);
            let beside = Beside {
                left_out: left_out.map(|(file, _)| FileIndex(file)).collect(),
                pieces: in_part_file.collect(),
                stamp: beside.2,
            };
            let not_synced = (0..=files.len() as u32)
                .filter(|file| not_synced >> file & 1 == 1)
                .map(|file| match file {
                    file if file as usize == files.len() => PART_FILE,
                    file => FileIndex(file),
                });
            let not_synced = not_synced.collect();
            Record {
                state,
                files,
                beside,
                not_synced,
                boot: boot.and_then(BootId::new),
                is_clean,
            }
        },
    )
}

fn stamp_of_any_file() -> impl Strategy<Value = Stamp> {
    let time = (any::<i64>(), 0..1_000_000_000_u32);
    let time = time.prop_map(|(secs, nanos)| FileTime { secs, nanos });
    (0..=i64::MAX as u64, time.clone(), time).prop_map(|(length, modified, changed)| Stamp {
        length,
        modified,
        changed,
    })
}

fn example() -> Record {
    let ids = TorrentIds::v1_only(InfoHash(*b"an info hash, v1, 20"));
    let mut state = ResumeState::nothing(ids, 10);
    for piece in [0, 8] {
        state.written.insert(PieceIndex::new(piece));
    }
    state.synced.insert(PieceIndex::new(0));
    state.partial.push(PartialPiece {
        piece: PieceIndex::new(3),
        slots: vec![0, 2],
    });
    state.totals = Totals {
        downloaded: 5,
        uploaded: 6,
    };
    Record {
        state,
        files: vec![Some(stamp(7)), None],
        beside: Beside::default(),
        not_synced: BTreeSet::new(),
        boot: BootId::new("a boot"),
        is_clean: true,
    }
}

fn stamp(length: u64) -> Stamp {
    let time = |secs, nanos| FileTime { secs, nanos };
    Stamp {
        length,
        modified: time(1_700_000_000, 5),
        changed: time(1_700_000_001, 6),
    }
}

fn entries() -> Vec<Entry> {
    let piece = PieceIndex::new;
    let stamps = vec![(FileIndex(0), stamp(7)), (FileIndex(1), stamp(9))];
    vec![
        Entry::Begun(vec![piece(1), piece(2)]),
        Entry::Written(vec![piece(1)], stamps.clone()),
        Entry::Spilled(piece(3), vec![0, 5], stamps[..1].to_vec()),
        Entry::Dropped(piece(2), vec![]),
        Entry::Synced(1),
        Entry::Moved(Totals {
            downloaded: 1,
            uploaded: 2,
        }),
        Entry::Looked(vec![(FileIndex(1), stamp(8))]),
        Entry::Selected(vec![FileIndex(1)], Some(stamp(400))),
        Entry::Selected(vec![], None),
        Entry::NotSynced(vec![FileIndex(0), PART_FILE]),
    ]
}

/// The bytes, and where the header and each entry end.
fn journal(entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
    let header = header(RECORD);
    let mut bytes = header.clone();
    let mut ends = vec![bytes.len()];
    for entry in entries {
        let offset = bytes.len() as u64;
        encode_entry(entry, &header, offset, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = Reader::new(bytes, RECORD).unwrap()?;
    let entries = std::iter::from_fn(|| reader.next_entry().unwrap());
    Some(entries.collect())
}

/// The golden record with other content, and the digest of that.
fn resealed(change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let start = GOLDEN.windows(8).position(|it| it == b"6:record").unwrap() + 8;
    let end = GOLDEN.windows(9).position(|it| it == b"7:version").unwrap();
    let record = change(&GOLDEN[start..end]);
    let digest = bt_hash::sha1(&record);
    let head = [b"d6:digest20:", &digest[..], b"6:record"].concat();
    [&head, &record[..], b"7:versioni1ee"].concat()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    replaced_bytes(bytes, from.as_bytes(), to.as_bytes())
}

fn replaced_bytes(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|found| found == from);
    let at = at.unwrap_or_else(|| panic!("no {}", from.escape_ascii()));
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

const PART_FILE: FileIndex = FileIndex(u32::MAX);
const RECORD: &[u8] = b"any record";
const GOLDEN: &[u8] = include_bytes!("../../../testdata/record_v1.resume");
