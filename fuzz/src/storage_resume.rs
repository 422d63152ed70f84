//! Resume records and journals of any content, as they are and with checks that fit: what is read is
//! what would be written again.

use bt_hash::sha1;
use bt_metainfo::{Info, InfoBuilder};
use bt_storage::resume::{Entry, Reader, Record, encode_entry, header};

/// Takes a record or a journal, or the inner part of one.
pub fn run(data: &[u8]) {
    let info = info();
    let _ = read_record(data, &info);
    read_record(&sealed_record(data), &info);
    // Its own record is as good as any.
    let _ = read_journal(data, data);
    let journal = [header(RECORD), data.to_vec()].concat();
    read_journal(&journal, RECORD);
    read_journal(&sealed_journal(data), RECORD);
}

fn read_record(bytes: &[u8], info: &Info) {
    let Ok(record) = Record::decode(bytes) else {
        return;
    };
    let written = &record.state.written;
    assert!(!record.state.synced.has_any_not_in(written));
    let partial = &record.state.partial;
    assert!(partial.iter().all(|partial| !written.get(partial.piece)));
    assert_eq!(Record::decode(&record.encode()).as_ref(), Ok(&record));
    let _ = record.check_torrent(info);
}

fn read_journal(bytes: &[u8], record: &[u8]) {
    let reader = Reader::new(bytes, record).expect("memory can be read");
    let Some(mut reader) = reader else {
        return;
    };
    let header = header(record);
    let mut again = header.clone();
    while let Some(entry) = reader.next_entry().expect("memory can be read") {
        let offset = again.len() as u64;
        encode_entry(&entry, &header, offset, &mut again);
        assert!(bytes.starts_with(&again), "{entry:?} is written otherwise");
        if let Entry::Begun(pieces) = &entry {
            assert!(pieces.len() <= bytes.len());
        }
    }
}

/// A record file with this in the middle.
fn sealed_record(inner: &[u8]) -> Vec<u8> {
    let head = [b"d6:digest20:", &sha1(inner)[..], b"6:record"].concat();
    [&head, inner, b"7:versioni1ee"].concat()
}

/// A journal of one entry, of which this is the body.
fn sealed_journal(body: &[u8]) -> Vec<u8> {
    let header = header(RECORD);
    let offset = header.len() as u64;
    let check = sha1(&[&header, &offset.to_le_bytes()[..], body].concat());
    let length = (body.len() as u32).to_le_bytes();
    [&header, &length[..], body, &check[..8]].concat()
}

/// Of the torrent of which the seeds tell: ten pieces, two files.
fn info() -> Info {
    let builder = InfoBuilder::new("t", 16 * 1024)
        .file(["a"], 7)
        .file(["b"], 10 * 16 * 1024 - 7)
        .pieces([[0; 20]; 10]);
    builder.build().expect("a valid torrent")
}

const RECORD: &[u8] = b"any record";
