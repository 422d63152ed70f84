//! Bencode of any content as Rust types: whatever is read is what a document of the same bytes
//! says, and is written and read again as the same.

use std::{borrow::Cow, collections::BTreeMap};

use bt_bencoding::{
    Document, Lenient, Limits, Mode, Strict,
    serde::{Raw, Spanned, from_bytes, from_prefix, to_bytes},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_bytes::ByteBuf;

/// All of it is the input.
pub fn run(data: &[u8]) {
    beside_document::<Lenient>(data);
    beside_document::<Strict>(data);
    typed::<Torrent<'_>>(data);
    typed::<Message>(data);
    typed::<BTreeMap<ByteBuf, Tree>>(data);
    typed::<Tree>(data);
    let any = from_bytes::<Lenient, Untagged>(data, Limits::default());
    if let Ok(any) = any {
        let again = to_bytes(&any).expect("what was read can be written");
        assert_eq!(
            from_bytes::<Strict, Untagged>(&again, Limits::default()),
            Ok(any)
        );
    }
}

/// A type that takes anything is refused exactly where a document is, and with the same words.
fn beside_document<M: Mode>(data: &[u8]) {
    let limits = Limits::default();
    let document = Document::<M>::parse_prefix(data, limits);
    let raw = from_prefix::<M, Raw<'_>>(data, limits);
    let ignored = from_prefix::<M, IgnoredAny>(data, limits);
    match document {
        Ok((document, consumed)) => {
            let (raw, raw_consumed) = raw.expect("a document accepts it");
            assert_eq!(
                (raw.as_bytes(), raw_consumed),
                (document.root().raw(), consumed)
            );
            assert_eq!(ignored.map(|(_, consumed)| consumed), Ok(consumed));
        }
        Err(error) => {
            for typed in [raw.map(drop), ignored.map(drop)] {
                let typed = typed.expect_err("a document refuses it");
                assert_eq!(
                    (typed.offset(), typed.kind()),
                    (error.offset, &error.kind.into())
                );
            }
        }
    }
}

/// What is read lies within the input, is written canonically, and is then read as the same.
fn typed<'de, T: Deserialize<'de> + Serialize>(data: &'de [u8]) {
    let Ok((value, consumed)) = from_prefix::<Lenient, T>(data, Limits::default()) else {
        return;
    };
    let prefix = Document::<Lenient>::parse(&data[..consumed], Limits::default());
    assert!(prefix.is_ok(), "only bencode is accepted");
    let Ok(written) = to_bytes(&value) else {
        panic!("what was read can be written");
    };
    // Raw values may be of the lenient kind.
    from_bytes::<Lenient, IgnoredAny>(&written, Limits::default()).expect("bencode was written");
    if Document::<Strict>::parse(&data[..consumed], Limits::default()).is_ok() {
        from_bytes::<Strict, IgnoredAny>(&written, Limits::default()).expect("and canonically");
    }
}

#[derive(Deserialize, Serialize)]
struct Torrent<'a> {
    #[serde(borrow)]
    announce: Option<Cow<'a, str>>,
    #[serde(borrow)]
    info: Spanned<Info<'a>>,
    #[serde(borrow)]
    nodes: Option<Raw<'a>>,
}

#[derive(Deserialize, Serialize)]
struct Info<'a> {
    #[serde(borrow)]
    files: Option<Vec<File<'a>>>,
    length: Option<u64>,
    #[serde(with = "serde_bytes")]
    name: &'a [u8],
    private: Option<bool>,
}

#[derive(Deserialize, Serialize)]
struct File<'a> {
    length: i32,
    #[serde(borrow)]
    path: Vec<&'a serde_bytes::Bytes>,
}

/// Serde buffers the content until it has seen the tag.
#[derive(Deserialize, Serialize)]
#[serde(tag = "y", rename_all = "lowercase")]
enum Message {
    Q { q: String, t: ByteBuf },
    E { e: (u16, String) },
}

/// Recurses as deep as the limits let it.
#[derive(Deserialize, Serialize)]
enum Tree {
    Leaf,
    Node(Box<Tree>),
    Branch(Vec<Tree>),
    Pair(Box<Tree>, Box<Tree>),
    Named {
        left: Box<Tree>,
        right: Option<Box<Tree>>,
    },
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum Untagged {
    Int(i64),
    Bytes(ByteBuf),
    List(Vec<Untagged>),
    Dict(BTreeMap<ByteBuf, Untagged>),
}
