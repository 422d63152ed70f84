//! The BitTorrent peer wire protocol: handshake, messages, extension messages.

mod decoder;
mod handshake;
mod hashes;
mod message;

pub use decoder::{DecodeError, Decoded, Decoder, Limits};
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
