use std::fmt;

use bt_types::Block;

use crate::{HashRequest, Hashes};

/// Everything that peers say to each other after the handshake, but the payload of blocks.
///
/// A value, not a view: it can wait in a queue. At most 24 bytes, and without a heap allocation
/// for all messages of a fixed size that v1 peers send.
///
/// Nothing in it has been checked against a torrent: a number may be any number.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// Nothing, to show that the connection lives (BEP 3).
    KeepAlive,
    /// The sender will not answer requests, and without BEP 6 drops those it has.
    Choke,
    /// The sender will answer requests.
    Unchoke,
    /// The sender would request if it were unchoked.
    Interested,
    /// The sender wants nothing from us.
    NotInterested,
    /// The sender has this piece from now on.
    Have(u32),
    /// The pieces that the sender has; see [`bt_types::Bitfield::from_wire`].
    Bitfield(Box<[u8]>),
    /// Asks for a block.
    Request(RawBlock),
    /// Takes a request back.
    Cancel(RawBlock),
    /// The port of the sender's DHT node (BEP 5).
    Port(u16),
    /// The sender would like us to ask for this piece (BEP 6).
    Suggest(u32),
    /// The sender has everything (BEP 6).
    HaveAll,
    /// The sender has nothing (BEP 6).
    HaveNone,
    /// The sender will not answer this request (BEP 6).
    Reject(RawBlock),
    /// The sender will answer requests for this piece even while we are choked (BEP 6).
    AllowedFast(u32),
    /// A message of the extension protocol (BEP 10); see [`ExtendedHandshake`] for id 0, and
    /// [`ExtendedMessage`] for the ids that the receiver has published.
    ///
    /// [`ExtendedHandshake`]: crate::ExtendedHandshake
    /// [`ExtendedMessage`]: crate::ExtendedMessage
    Extended {
        /// 0 for the extended handshake, otherwise what the receiver of the message chose.
        id: u8,
        /// What follows the id.
        payload: Box<[u8]>,
    },
    /// Asks for hashes of a v2 torrent (BEP 52). Boxed: rare, and larger than all others.
    HashRequest(Box<HashRequest>),
    /// Answers a hash request (BEP 52).
    Hashes(Box<Hashes>),
    /// Refuses a hash request (BEP 52).
    HashReject(Box<HashRequest>),
    /// A message that we do not know, without its body. Never sent.
    Unknown {
        /// Its id.
        id: u8,
        /// The bytes that follow the id.
        length: u32,
    },
}

/// A range of a piece as somebody else names it: any three numbers.
///
/// [`bt_types::PieceLayout::check_range`] makes a [`Block`] of it, if the torrent has such a one.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RawBlock {
    /// The piece's number.
    pub piece: u32,
    /// The first byte, counted from the start of the piece.
    pub begin: u32,
    /// The number of bytes.
    pub length: u32,
}

impl Message {
    /// Appends the message as it is sent, length prefix included.
    ///
    /// [`Unknown`](Self::Unknown) appends nothing, since its body was not kept. The payload of a
    /// block goes out behind [`encode_piece_header`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::KeepAlive => out.extend_from_slice(&[0; 4]),
            Self::Choke => frame(out, id::CHOKE, &[]),
            Self::Unchoke => frame(out, id::UNCHOKE, &[]),
            Self::Interested => frame(out, id::INTERESTED, &[]),
            Self::NotInterested => frame(out, id::NOT_INTERESTED, &[]),
            Self::Have(piece) => frame(out, id::HAVE, &[&piece.to_be_bytes()]),
            Self::Bitfield(bits) => frame(out, id::BITFIELD, &[bits]),
            Self::Request(block) => frame(out, id::REQUEST, &[&block.to_be_bytes()]),
            Self::Cancel(block) => frame(out, id::CANCEL, &[&block.to_be_bytes()]),
            Self::Port(port) => frame(out, id::PORT, &[&port.to_be_bytes()]),
            Self::Suggest(piece) => frame(out, id::SUGGEST, &[&piece.to_be_bytes()]),
            Self::HaveAll => frame(out, id::HAVE_ALL, &[]),
            Self::HaveNone => frame(out, id::HAVE_NONE, &[]),
            Self::Reject(block) => frame(out, id::REJECT, &[&block.to_be_bytes()]),
            Self::AllowedFast(piece) => frame(out, id::ALLOWED_FAST, &[&piece.to_be_bytes()]),
            Self::Extended { id, payload } => frame(out, id::EXTENDED, &[&[*id], payload]),
            Self::HashRequest(request) => {
                frame(out, id::HASH_REQUEST, &[&request.to_be_bytes()]);
            }
            Self::Hashes(hashes) => {
                let parts = [
                    &hashes.request.to_be_bytes()[..],
                    hashes.hashes.as_flattened(),
                ];
                frame(out, id::HASHES, &parts);
            }
            Self::HashReject(request) => frame(out, id::HASH_REJECT, &[&request.to_be_bytes()]),
            Self::Unknown { .. } => {}
        }
    }
}

/// What goes out before the payload of a block: length prefix, id, piece and begin (BEP 3,
/// `piece`). `block.length` bytes of payload must follow.
///
/// ```
/// use bt_wire::{RawBlock, encode_piece_header};
/// let block = RawBlock { piece: 1, begin: 16_384, length: 3 };
/// let message = [&encode_piece_header(block)[..], b"abc"].concat();
/// assert_eq!(message, b"\0\0\0\x0c\x07\0\0\0\x01\0\0\x40\0abc");
/// ```
///
/// # Panics
/// If `block.length` is within 9 of `u32::MAX`, which no block is.
#[must_use]
pub fn encode_piece_header(block: RawBlock) -> [u8; PIECE_HEADER_LENGTH] {
    let length = block
        .length
        .checked_add(PIECE_OVERHEAD)
        .expect("a block is far smaller than 4 GiB");
    let mut header = [0; PIECE_HEADER_LENGTH];
    header[..4].copy_from_slice(&length.to_be_bytes());
    header[4] = id::PIECE;
    header[5..9].copy_from_slice(&block.piece.to_be_bytes());
    header[9..].copy_from_slice(&block.begin.to_be_bytes());
    header
}

impl RawBlock {
    fn to_be_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.piece.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.begin.to_be_bytes());
        bytes[8..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }
}

impl From<Block> for RawBlock {
    fn from(block: Block) -> Self {
        Self {
            piece: block.piece.get(),
            begin: block.begin,
            length: block.length,
        }
    }
}

impl fmt::Debug for RawBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = u64::from(self.begin) + u64::from(self.length);
        write!(f, "#{}+{}..{end}", self.piece, self.begin)
    }
}

impl fmt::Display for RawBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {} of piece {}",
            self.length, self.begin, self.piece
        )
    }
}

fn frame(out: &mut Vec<u8>, id: u8, body: &[&[u8]]) {
    let length = 1 + body.iter().map(|part| part.len()).sum::<usize>();
    out.reserve(4 + length);
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.push(id);
    for part in body {
        out.extend_from_slice(part);
    }
}

/// The numbers of the messages: BEP 3 up to 8, 9 BEP 5, 13 to 17 BEP 6, 20 BEP 10, then BEP 52.
pub(crate) mod id {
    pub(crate) const CHOKE: u8 = 0;
    pub(crate) const UNCHOKE: u8 = 1;
    pub(crate) const INTERESTED: u8 = 2;
    pub(crate) const NOT_INTERESTED: u8 = 3;
    pub(crate) const HAVE: u8 = 4;
    pub(crate) const BITFIELD: u8 = 5;
    pub(crate) const REQUEST: u8 = 6;
    pub(crate) const PIECE: u8 = 7;
    pub(crate) const CANCEL: u8 = 8;
    pub(crate) const PORT: u8 = 9;
    pub(crate) const SUGGEST: u8 = 13;
    pub(crate) const HAVE_ALL: u8 = 14;
    pub(crate) const HAVE_NONE: u8 = 15;
    pub(crate) const REJECT: u8 = 16;
    pub(crate) const ALLOWED_FAST: u8 = 17;
    pub(crate) const EXTENDED: u8 = 20;
    pub(crate) const HASH_REQUEST: u8 = 21;
    pub(crate) const HASHES: u8 = 22;
    pub(crate) const HASH_REJECT: u8 = 23;

    /// What the BEPs call the message; `None` for those that we do not know.
    pub(crate) fn name(id: u8) -> Option<&'static str> {
        Some(match id {
            CHOKE => "choke",
            UNCHOKE => "unchoke",
            INTERESTED => "interested",
            NOT_INTERESTED => "not interested",
            HAVE => "have",
            BITFIELD => "bitfield",
            REQUEST => "request",
            PIECE => "piece",
            CANCEL => "cancel",
            PORT => "port",
            SUGGEST => "suggest",
            HAVE_ALL => "have all",
            HAVE_NONE => "have none",
            REJECT => "reject",
            ALLOWED_FAST => "allowed fast",
            EXTENDED => "extended",
            HASH_REQUEST => "hash request",
            HASHES => "hashes",
            HASH_REJECT => "hash reject",
            _ => return None,
        })
    }
}

/// Length prefix, id, piece, begin.
pub(crate) const PIECE_HEADER_LENGTH: usize = 13;
/// What the length prefix of a `piece` message counts beside the payload.
pub(crate) const PIECE_OVERHEAD: u32 = 9;
