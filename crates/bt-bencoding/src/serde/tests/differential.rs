//! Beside `serde_bencode`, the oracle.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::*;

/// Of everything that both know how to write.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Torrent {
    // Not in the order of their keys.
    tail: Option<Vec<i64>>,
    info: Info,
    #[serde(rename = "announce-list")]
    announce_list: Vec<Vec<String>>,
    nodes: BTreeMap<String, ByteBuf>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Info {
    pieces: ByteBuf,
    length: u32,
    kind: Kind,
    inner: Option<Box<Info>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
enum Kind {
    File,
    Folder,
}

fn infos() -> impl Strategy<Value = Info> {
    let kinds = prop_oneof![Just(Kind::File), Just(Kind::Folder)];
    let bytes = prop::collection::vec(any::<u8>(), 0..20).prop_map(ByteBuf::from);
    let plain = (bytes, any::<u32>(), kinds).prop_map(|(pieces, length, kind)| Info {
        pieces,
        length,
        kind,
        inner: None,
    });
    plain.clone().prop_recursive(3, 4, 1, move |inner| {
        (plain.clone(), inner).prop_map(|(outer, inner)| Info {
            inner: Some(Box::new(inner)),
            ..outer
        })
    })
}

fn torrents() -> impl Strategy<Value = Torrent> {
    let texts = prop::collection::vec(prop::collection::vec(".{0,12}", 0..3), 0..3);
    let bytes = prop::collection::vec(any::<u8>(), 0..120).prop_map(ByteBuf::from);
    let nodes = prop::collection::btree_map(".{0,6}", bytes, 0..4);
    let tail = prop::option::of(prop::collection::vec(any::<i64>(), 0..4));
    (tail, infos(), texts, nodes).prop_map(|(tail, info, announce_list, nodes)| Torrent {
        tail,
        info,
        announce_list,
        nodes,
    })
}

proptest! {
    /// We write what the oracle writes, it reads what we write, and so do we.
    #[test]
    fn what_is_written_is_read_by_both(torrent in torrents()) {
        let written = to_bytes(&torrent).unwrap();
        prop_assert_eq!(&written, &serde_bencode::to_bytes(&torrent).unwrap());
        prop_assert_eq!(&serde_bencode::from_bytes::<Torrent>(&written).unwrap(), &torrent);
        let ours = from_bytes::<Strict, Torrent>(&written, Limits::default());
        prop_assert_eq!(ours.unwrap(), torrent);
    }

    /// Of anything: what both accept they read alike.
    #[test]
    fn what_both_accept_is_equal(
        torrent in torrents(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9a-z:-]"), 1..3),
    ) {
        let mut input = to_bytes(&torrent).unwrap();
        for (at, byte) in changes {
            let at = at.index(input.len());
            input[at] = byte.as_bytes()[0];
        }
        // Only what is whole is for the oracle: it makes room for whatever length it is told, and ends
        // the process if there is none.
        if let Ok(ours) = from_bytes::<Lenient, Torrent>(&input, Limits::default()) {
            let theirs = serde_bencode::from_bytes::<Torrent>(&input);
            prop_assert_eq!(&ours, theirs.as_ref().unwrap_or(&ours));
        }
    }

    /// A typed reading accepts what a document does, if the type takes anything; strict likewise.
    #[test]
    fn anything_is_read_as_documents_are(
        torrent in torrents(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut input = to_bytes(&torrent).unwrap();
        for (at, byte) in changes {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let limits = Limits::default();
        let place = |error: DeserializeError| (error.offset(), error.kind().clone());
        let as_raw = from_bytes::<Strict, Raw<'_>>(&input, limits).map(drop).map_err(place);
        let strict = crate::Document::<Strict>::parse(&input, limits).map(drop);
        prop_assert_eq!(as_raw, strict.map_err(|error| (error.offset, error.kind.into())));
        let as_raw = from_bytes::<Lenient, Raw<'_>>(&input, limits).map(drop).map_err(place);
        let lenient = crate::Document::<Lenient>::parse(&input, limits).map(drop);
        prop_assert_eq!(as_raw, lenient.map_err(|error| (error.offset, error.kind.into())));
    }
}
