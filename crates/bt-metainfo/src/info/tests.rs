use bt_bencoding::Encoder;
use bt_types::SwarmId;

use super::*;
use crate::{FileKind, InfoBuilder, Metainfo};

mod anything;
mod attributes;
mod hybrid;
mod names;
mod v1;
mod v2;

type Bytes = Vec<u8>;

fn int(value: i64) -> Bytes {
    format!("i{value}e").into()
}

fn string(value: impl AsRef<[u8]>) -> Bytes {
    let mut out = Vec::new();
    Encoder::new(&mut out).bytes(value);
    out
}

fn list(items: impl IntoIterator<Item = Bytes>) -> Bytes {
    let items: Bytes = items.into_iter().flatten().collect();
    [b"l", &items[..], b"e"].concat()
}

/// In the order given, right or wrong.
fn dict<'k>(entries: impl IntoIterator<Item = (&'k [u8], Bytes)>) -> Bytes {
    let entries = entries
        .into_iter()
        .flat_map(|(key, value)| [string(key), value].concat());
    [b"d", &entries.collect::<Bytes>()[..], b"e"].concat()
}

fn path(names: &[&str]) -> Bytes {
    list(names.iter().map(string))
}

fn file(length: i64, names: &[&str]) -> Bytes {
    dict([(&b"length"[..], int(length)), (b"path", path(names))])
}

fn file_with_attr(attr: &str, length: i64, names: &[&str]) -> Bytes {
    let attr = string(attr);
    dict([
        (&b"attr"[..], attr),
        (b"length", int(length)),
        (b"path", path(names)),
    ])
}

fn link(names: &[&str], target: &[&str]) -> Bytes {
    dict([
        (&b"attr"[..], string("l")),
        (b"path", path(names)),
        (b"symlink path", path(target)),
    ])
}

/// A v1 dictionary named `t` of one piece.
fn v1(files: impl IntoIterator<Item = Bytes>) -> Bytes {
    dict([
        (&b"files"[..], list(files)),
        (b"name", string("t")),
        (b"piece length", int(1 << 20)),
        (b"pieces", string([7; 20])),
    ])
}

/// A file in a v2 tree.
fn leaf(attr: &str, length: i64, root: Option<&str>) -> Bytes {
    let mut entries = vec![];
    if !attr.is_empty() {
        entries.push((&b"attr"[..], string(attr)));
    }
    entries.push((b"length", int(length)));
    if let Some(root) = root {
        entries.push((b"pieces root", string(hex::<32>(root))));
    }
    dict([(&b""[..], dict(entries))])
}

/// A whole torrent with piece layers.
fn with_layers(info: Bytes, layers: Bytes) -> Bytes {
    dict([(&b"info"[..], info), (b"piece layers", layers)])
}

#[track_caller]
fn refused(info: &[u8], expected: &str) {
    let error = Info::from_bytes(info).expect_err(expected);
    assert_eq!(error.to_string(), expected);
    // The same words for the same dictionary within a torrent.
    let torrent = dict([(&b"info"[..], info.to_vec())]);
    if !expected.contains(" at byte ") {
        assert_eq!(
            Metainfo::from_bytes(&torrent).unwrap_err().to_string(),
            expected
        );
    }
}

#[track_caller]
fn paths(files: impl IntoIterator<Item = Bytes>, expected: &[&str]) {
    let info = Info::from_bytes(&v1(files)).unwrap();
    let found: Vec<_> = info.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(found, expected);
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digit = |at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(digit)
}
