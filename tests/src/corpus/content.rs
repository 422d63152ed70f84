use std::collections::BTreeMap;

/// A `.torrent` and what it is about.
#[derive(Clone, Debug, Default)]
pub struct Torrent {
    /// The file.
    pub bytes: Vec<u8>,
    /// The info dictionary in it, whose hash names the torrent; empty if that is not the point.
    pub info: Vec<u8>,
    /// The files as `bt` finds and writes them.
    pub data: Vec<DataFile>,
}

/// A file of a torrent's data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataFile {
    /// Below the download folder, with `/`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Torrent {
    /// Bytes that need be no torrent.
    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            ..Self::default()
        }
    }

    /// The same with other bytes around or instead.
    pub(super) fn map(self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        Self {
            bytes: change(self.bytes),
            ..self
        }
    }
}

/// A bencoded value of any form: nothing is sorted or checked unless asked for.
#[derive(Clone, Debug)]
pub(super) enum Ben {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Ben>),
    /// In this order.
    Dict(Vec<(Vec<u8>, Ben)>),
    /// As it is.
    Raw(Vec<u8>),
}

impl Ben {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => out.extend(format!("i{number}e").bytes()),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::List(items) => {
                out.push(b'l');
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
            Self::Dict(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_bytes(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The content of a string; nothing of anything else.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("{}:", bytes.len()).bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn int(number: i64) -> Ben {
    Ben::Int(number)
}

pub(super) fn text(bytes: impl AsRef<[u8]>) -> Ben {
    Ben::Bytes(bytes.as_ref().to_vec())
}

pub(super) fn list(items: impl IntoIterator<Item = Ben>) -> Ben {
    Ben::List(items.into_iter().collect())
}

pub(super) fn texts<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Ben {
    list(items.into_iter().map(text))
}

pub(super) fn dict<K: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, Ben)>) -> Ben {
    let entries = entries.into_iter();
    Ben::Dict(
        entries
            .map(|(key, value)| (key.as_ref().to_vec(), value))
            .collect(),
    )
}

pub(super) fn raw(bytes: impl AsRef<[u8]>) -> Ben {
    Ben::Raw(bytes.as_ref().to_vec())
}

/// The entries of a dictionary while it is made: sorted, and each key once.
pub(super) type Entries = BTreeMap<Vec<u8>, Ben>;

/// The bytes of the `index`th file: SplitMix64 of its number and the word's.
pub(super) fn content(index: usize, length: usize) -> Vec<u8> {
    let mut words = (0..).map(|word: u64| {
        let mut z = (((index as u64) << 40) + word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(words.next().expect("it is endless"));
    }
    bytes.truncate(length);
    bytes
}
