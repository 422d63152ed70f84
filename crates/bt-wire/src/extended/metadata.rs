use bt_bencoding::{Document, Encoder, Lenient, Value};

use super::{BENCODE_LIMITS, ExtendedError};

/// A message of `ut_metadata`, by which the info dictionary travels in blocks of 16 KiB that
/// BEP 9 calls pieces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MetadataMessage {
    /// Asks for a block.
    Request {
        /// Its number, counted from 0.
        piece: u32,
    },
    /// Brings a block.
    Data {
        /// Its number, counted from 0.
        piece: u32,
        /// Bytes of the whole info dictionary.
        total_size: u32,
        /// Everything that followed the dictionary; how long it must be depends on `piece`.
        payload: Box<[u8]>,
    },
    /// Refuses a request.
    Reject {
        /// The number of the block.
        piece: u32,
    },
    /// A type that a later version of BEP 9 may know: to be ignored.
    Unknown {
        /// The type.
        msg_type: i64,
    },
}

impl MetadataMessage {
    pub(super) fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let (document, consumed) = Document::<Lenient>::parse_prefix(payload, BENCODE_LIMITS)?;
        let dict = document.root();
        if dict.as_dict().is_none() {
            return Err(ExtendedError::NotADictionary);
        }
        let number = |key: &'static str| {
            let value = dict.get(key).and_then(Value::as_int);
            value
                .and_then(|value| value.try_into().ok())
                .ok_or(ExtendedError::Key(key))
        };
        let msg_type = dict.get("msg_type").and_then(Value::as_int);
        Ok(match msg_type.ok_or(ExtendedError::Key("msg_type"))? {
            REQUEST => Self::Request {
                piece: number("piece")?,
            },
            DATA => Self::Data {
                piece: number("piece")?,
                total_size: number("total_size")?,
                payload: payload[consumed..].into(),
            },
            REJECT => Self::Reject {
                piece: number("piece")?,
            },
            msg_type => Self::Unknown { msg_type },
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (msg_type, piece, total_size) = match *self {
            Self::Request { piece } => (REQUEST, Some(piece), None),
            Self::Data {
                piece, total_size, ..
            } => (DATA, Some(piece), Some(total_size)),
            Self::Reject { piece } => (REJECT, Some(piece), None),
            Self::Unknown { msg_type } => (msg_type, None, None),
        };
        Encoder::new(out).dict(|dict| {
            dict.int("msg_type", msg_type);
            if let Some(piece) = piece {
                dict.int("piece", piece);
            }
            if let Some(total_size) = total_size {
                dict.int("total_size", total_size);
            }
        });
        if let Self::Data { payload, .. } = self {
            out.extend_from_slice(payload);
        }
    }
}

const REQUEST: i64 = 0;
const DATA: i64 = 1;
const REJECT: i64 = 2;
