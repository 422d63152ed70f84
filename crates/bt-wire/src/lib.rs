//! The BitTorrent peer wire protocol: handshake, messages, extension messages.
//!
//! A codec, and nothing but: bytes to values and back. It opens no connection, keeps no bytes and
//! holds no opinion on what a peer should say next. What a stranger sends is either a value, or a
//! named error as soon as the first bytes of it are there; nothing is allocated for a length that
//! a stranger merely claims.
//!
//! ```text
//! send Handshake::encode(); read until Handshake::decode() is Complete
//! loop {
//!     match decoder.decode(received) {
//!         Message    => act on it, drop `consumed` bytes
//!         BlockStart => drop `consumed` bytes, read block.length bytes straight to their place
//!         Skipped    => drop `consumed` bytes
//!         Incomplete => read more
//!         an error   => close
//!     }
//! }
//! ```
//!
//! [`Decoder`] has that loop as a running example. The first words of a connection:
//!
//! ```
//! use bt_types::{PeerId, SwarmId};
//! use bt_wire::{DecodedHandshake, Extension, ExtendedHandshake, Handshake, Message, Reserved};
//!
//! let handshake = Handshake {
//!     reserved: Reserved::NONE.with_fast().with_extended(),
//!     swarm_id: SwarmId([0x5a; 20]),
//!     peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
//! };
//! let mut sent = handshake.encode().to_vec();
//! let mut extended = ExtendedHandshake { reqq: Some(500), ..Default::default() };
//! extended.ids = extended.ids.with(Extension::Pex, 1);
//! extended.to_message().encode(&mut sent);
//! Message::HaveNone.encode(&mut sent);
//!
//! // The other side knows the swarm after 48 bytes, the peer after 68.
//! assert_eq!(Handshake::peek_swarm_id(&sent[..48])?, Some(handshake.swarm_id));
//! let complete = DecodedHandshake::Complete { handshake, consumed: 68 };
//! assert_eq!(Handshake::decode(&sent)?, complete);
//! assert_eq!(sent[68..], *b"\0\0\0\x1f\x14\0d1:md6:ut_pexi1ee4:reqqi500ee\0\0\0\x01\x0f");
//! # Ok::<(), bt_wire::HandshakeError>(())
//! ```
//!
//! # What is deliberately outside
//!
//! Everything that needs a torrent, a clock or a memory of what was said: whether a piece exists
//! ([`RawBlock`] and piece numbers are unchecked), whether the fast extension was agreed on, how
//! often a peer may send what. Encryption, and the payload of blocks, pass this crate by.
//!
//! # BEPs
//!
//! 3 (handshake, messages), 5 (`port`), 6 (fast extension), 9 (`ut_metadata`), 10 (extension
//! protocol), 11 (`ut_pex`), 21 (`upload_only`), 52 (hash messages, the upgrade bit), 54
//! (`lt_donthave`), 55 (`ut_holepunch`). Not covered: `lt_tex`, `ut_comment`, `share_mode`, and
//! the messages of Azureus.

mod body;
mod decoder;
mod extended;
mod handshake;
mod hashes;
mod message;

pub use decoder::{DecodeError, Decoded, Decoder, Limits};
pub use extended::{
    ExtendedError, ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds, HolepunchError,
    HolepunchMessage, MetadataMessage, PexFlags, PexMessage, PexPeer,
};
pub use handshake::{DecodedHandshake, Handshake, HandshakeError, Reserved};
pub use hashes::{HashRequest, Hashes};
pub use message::{Message, RawBlock, encode_piece_header};

#[cfg(test)]
mod tests {
    /// Bytes of a golden vector.
    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text
            .bytes()
            .map(|byte| char::from(byte).to_digit(16))
            .collect();
        let pairs = digits.chunks(2);
        pairs
            .map(|pair| (pair[0].unwrap() * 16 + pair[1].unwrap()) as u8)
            .collect()
    }
}
